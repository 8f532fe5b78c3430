# SPDX-License-Identifier: Apache-2.0
"""A compute service: servers on demand, over the OpenStack Compute API."""
