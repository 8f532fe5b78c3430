# SPDX-License-Identifier: Apache-2.0
"""What is on this host and belongs to nobody."""

import os

from oslo_utils import uuidutils

from nova import conf
from nova.virt.libvirt import paths

CONF = conf.CONF


def find(host, known_uuids):
    """[{'kind', 'uuid', 'where'}] of guests ('guest'), directories of unknown servers ('disk'), and what moves kept of
    them ('file')."""
    found = [{'kind': 'guest', 'uuid': uuid, 'where': host.uri} for uuid in host.list_uuids()
             if uuid not in known_uuids]
    try:
        names = sorted(os.listdir(CONF.instances_path))
    except FileNotFoundError:
        names = []
    for name in names:
        uuid = name.removesuffix(paths.KEPT)
        if uuidutils.is_uuid_like(uuid) and uuid not in known_uuids and _is_here(name):
            found.append({'kind': 'disk' if uuid == name else 'file', 'uuid': uuid,
                          'where': os.path.join(CONF.instances_path, name)})
    return found


def _is_here(name):
    """Whether a server's directory is not, by what it says, another host's."""
    try:
        with open(os.path.join(CONF.instances_path, name, paths.HOST)) as source:
            return source.read().strip() in ('', CONF.host)
    except OSError:
        return True
