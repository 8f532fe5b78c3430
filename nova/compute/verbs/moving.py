# SPDX-License-Identifier: Apache-2.0
"""Servers on other hosts: resize, migrate, live migrate, evacuate."""

from nova.compute.verbs.base import Verbs


class MovingVerbs(Verbs):
    pass
