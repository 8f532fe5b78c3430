# SPDX-License-Identifier: Apache-2.0
"""How every process can be watched: `metrics` (what it counted), `health` (whether it works), `http` (both, over HTTP).

Nothing here knows the service it is used in; the service registers its checks and declares its counters.
"""
