# SPDX-License-Identifier: Apache-2.0
"""Interfaces of servers: attach and detach, addresses on them."""

from nova.compute.verbs import base


class Verbs(base.Verbs):
    pass
