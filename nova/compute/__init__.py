# SPDX-License-Identifier: Apache-2.0
"""Servers: what users may ask (`api`), what a host does (`manager` and the concerns beside it)."""
