# SPDX-License-Identifier: Apache-2.0
"""Volumes: disks that outlive servers.  Callers use `nova.volume.API()`."""

from nova.volume.api import API

__all__ = ['API']
