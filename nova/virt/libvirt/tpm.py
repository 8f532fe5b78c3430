# SPDX-License-Identifier: Apache-2.0
"""State of a server's trusted platform module, when the guest goes and comes again.

libvirt keeps it where nobody else looks, and removes it with the guest.  So a copy is put beside the server's disks
before that; it travels with them, and is given back to libvirt before the guest starts.  While libvirt has a state the
copy counts for nothing.
"""

import os

from nova.image import transfer
from nova.privsep import tpm as privileged
from nova.virt.libvirt import paths


def keep(instance, directory=None):
    """Copy the state of a guest that is off beside its disks.  Nothing happens where libvirt has none.

    :param directory: of the server, by default `paths.of`.
    """
    directory = directory or paths.of(instance)
    if os.path.isdir(directory):
        privileged.copy_out(instance.uuid, os.path.basename(directory))


def give_back(instance, version):
    """Let libvirt have the copy, if it has no state and there is one.

    :param version: of the module that the guest has now; None: it has none.
    """
    if version is not None:
        privileged.copy_in(instance.uuid, paths.TPM_STATE[version])


def forget(instance):
    """The guest runs: the copy is old."""
    for name in paths.TPM_STATE.values():
        transfer.remove(paths.of(instance, name))
