# SPDX-License-Identifier: Apache-2.0
"""Volumes of servers: attach, detach, swap."""

from nova.compute.verbs.base import Verbs


class VolumeVerbs(Verbs):
    pass
