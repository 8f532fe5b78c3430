# SPDX-License-Identifier: Apache-2.0
"""Snapshots of volumes through the hypervisor, for the volume service.  (/os-assisted-volume-snapshots)"""

import json

from nova import exception
from nova.api.openstack import wsgi
from nova.api.openstack.errors import Refused
from nova.api.openstack.schema import Choice, Object, Query, Table, Text, Uuid
from nova.api.openstack.view import Field
from nova.api.openstack.view import Table as View
from nova.compute.verbs import assisted_snapshots
from nova.policy import SERVICE, Rule

_NAME = {'min': 1, 'max': 255}
CREATE = Table(
    Uuid('volume_id', required=True),
    Object('create_info', Table(Uuid('snapshot_id', required=True), Choice('type', ('qcow2',), required=True),
                                Text('new_file', required=True, **_NAME), Text('id', **_NAME)), required=True),
    within='snapshot')
VIEW = View(Field('id', lambda made: made['id'], type=['string', 'null']),
            Field('volumeId', lambda made: made['volumeId'], type='string'))
_ERRORS = {exception.VolumeBDMNotFound: 400, exception.InvalidVolume: 400, exception.InstanceNotFound: 404}


def _delete_info(text):
    """The object that the parameter says, which names a volume."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise Refused(f'delete_info: {text[:50]!r} is not JSON.') from exc
    if not isinstance(found, dict) or not isinstance(found.get('volume_id'), str):
        raise Refused('delete_info: must be a JSON object with the key volume_id.')
    return found


class AssistedVolumeSnapshots(wsgi.Resource):
    """Snapshots that the hypervisor takes."""

    path = '/os-assisted-volume-snapshots'

    def __init__(self):
        self.snapshots = assisted_snapshots.AssistedSnapshots()

    @wsgi.post(body=CREATE, success=200, view=VIEW.one('snapshot'), errors=_ERRORS,
               policy=Rule('os-assisted-volume-snapshots:create', SERVICE))
    def create(self, context, volume_id, create_info):
        """Have the host of a volume's server take a snapshot; the volume service is told how it ends."""
        self.snapshots.create(context, volume_id, create_info)
        return {'id': create_info.get('id'), 'volumeId': volume_id}

    @wsgi.delete('/{snapshot_id}', query=Query(Text('delete_info', single='2.1'), strict='2.75'), errors=_ERRORS,
                 policy=Rule('os-assisted-volume-snapshots:delete', SERVICE))
    def delete(self, context, snapshot_id, delete_info=None):
        """Have the host of a volume's server merge a snapshot away.  `delete_info` must be given."""
        if delete_info is None:
            raise Refused('delete_info: is required, and is missing.')
        found = _delete_info(delete_info)
        self.snapshots.delete(context, found['volume_id'], snapshot_id, found)
