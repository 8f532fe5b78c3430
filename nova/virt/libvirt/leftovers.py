# SPDX-License-Identifier: Apache-2.0
"""What is on this host and belongs to nobody."""

import os

from oslo_utils import uuidutils

from nova import conf

CONF = conf.CONF


def find(host, known_uuids):
    """[{'kind': 'guest' or 'disk', 'uuid', 'where'}] of guests and directories of unknown servers."""
    found = [{'kind': 'guest', 'uuid': uuid, 'where': host.uri} for uuid in host.list_uuids()
             if uuid not in known_uuids]
    try:
        names = sorted(os.listdir(CONF.instances_path))
    except FileNotFoundError:
        names = []
    found += [{'kind': 'disk', 'uuid': name, 'where': os.path.join(CONF.instances_path, name)} for name in names
              if uuidutils.is_uuid_like(name) and name not in known_uuids]
    return found
