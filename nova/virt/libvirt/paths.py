# SPDX-License-Identifier: Apache-2.0
"""Where the files of servers are.  Everything of one server is in one directory, named by its uuid."""

import os

from nova import conf
from nova.privsep import lvm

CONF = conf.CONF

#: Disks, by the file's name in the server's directory.
ROOT = 'disk'
SWAP = 'disk.swap'
EPHEMERAL = 'disk.eph'
CONFIG_DRIVE = 'disk.config'
KERNEL = 'kernel'
RAMDISK = 'ramdisk'
CONSOLE_LOG = 'console.log'
#: What UEFI firmware remembers; that which starts only what is signed begins with the keys for it, so it has its own.
VARIABLES = 'variables'
SIGNED_VARIABLES = 'variables.signed'
#: State of a trusted platform module while no guest has it, by version of the module; named as its software does.
TPM_STATE = {'1.2': 'tpm-00.permall', '2.0': 'tpm2-00.permall'}
#: All that a server keeps beside its disks.
BESIDE = (VARIABLES, SIGNED_VARIABLES, *TPM_STATE.values())

#: Of a guest that is being rescued: the disks of the rescue system, and its own domain meanwhile.
RESCUE = 'disk.rescue'
RESCUE_CONFIG_DRIVE = 'disk.config.rescue'
RESCUE_KERNEL = 'kernel.rescue'
RESCUE_RAMDISK = 'ramdisk.rescue'
RESCUE_VARIABLES = 'variables.rescue'
RESCUED_DOMAIN = 'domain.rescued.xml'

#: Says which host the files of a server belong to, where several see them.
HOST = 'host'
#: And which host it took them over from.
FORMER_HOST = 'host.before'
#: Added to the name of a server's directory: what a move keeps for the way back.
KEPT = '_resize'

#: Ending of a file on its way from another host.
MOVING = '.moving'
#: How many of the logs that virtlogd puts away are looked at.
ROTATED_LOGS = 3


def ephemeral(number):
    return f'{EPHEMERAL}{number}'


def of(instance, name=None):
    """The server's directory, or a file in it."""
    directory = os.path.join(CONF.instances_path, instance.uuid)
    return directory if name is None else os.path.join(directory, name)


def disk(directory, name, group=None):
    """A disk of the server that has this directory: a file in it, or a logical volume of this volume group, which is
    named after both.
    """
    if group is None:
        return os.path.join(directory, name)
    return lvm.device(group, f'{os.path.basename(directory)}_{name}')


def kept(instance, name=None):
    """What a move keeps of the server for the way back: a directory, or a file in it."""
    directory = os.path.join(CONF.instances_path, instance.uuid + KEPT)
    return directory if name is None else os.path.join(directory, name)


def cache(name=None):
    """The directory of cached images, or a file in it."""
    directory = os.path.join(CONF.instances_path, CONF.image_cache.subdirectory_name)
    return directory if name is None else os.path.join(directory, name)


def locks():
    return os.path.join(CONF.instances_path, 'locks')
