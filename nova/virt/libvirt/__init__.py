# SPDX-License-Identifier: Apache-2.0
"""Guests under libvirt: QEMU, with or without KVM.

The driver delegates to modules of one concern each; the arrow is driver -> concern -> guest -> host -> config.
Everything that blocks in libvirt runs in native threads, and its errors become ours in `errors`, nowhere else.
"""

from nova.virt.libvirt.driver import LibvirtDriver

__all__ = ['LibvirtDriver']
