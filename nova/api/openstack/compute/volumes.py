# SPDX-License-Identifier: Apache-2.0
"""Volumes and their snapshots, seen through the Compute API.  (/os-volumes, /os-snapshots, until 2.35)"""

from nova import exception, volume
from nova.api.openstack import wsgi
from nova.api.openstack.compute.servers.views import micros
from nova.api.openstack.schema import Boolean, Integer, Limit, Map, Query, Table, Text, Uuid
from nova.api.openstack.view import MAP, Field, many, shape
from nova.api.openstack.view import Table as View
from nova.policy import MEMBER, READER, Rule


def _attachments(found):
    return [{'id': found.id, 'volumeId': found.id, 'serverId': each['instance_uuid'],
             **({'device': each['device']} if each['device'] else {})} for each in found.attachments] or [{}]


#: One without keys where it is not attached.
_ATTACHMENTS = many(shape(optional=('id', 'volumeId', 'serverId', 'device'), id='string', volumeId='string',
                          serverId='string', device='string'))
VOLUME = View(
    Field('id', type='string'),
    Field('status', type='string'),
    Field('size', 'size_gb', type='integer'),
    Field('availabilityZone', 'availability_zone', type='string?'),
    Field('createdAt', lambda found: micros(found.created_at), type='string'),
    Field('displayName', 'name', type='string?'),
    Field('displayDescription', 'description', type='string?'),
    Field('volumeType', 'volume_type', type='string?'),
    Field('snapshotId', 'snapshot_id', type='string?'),
    Field('metadata', type=MAP),
    Field('attachments', _attachments, type=_ATTACHMENTS),
)
SNAPSHOT = View(
    Field('id', type='string'),
    Field('volumeId', 'volume_id', type='string'),
    Field('status', type='string'),
    Field('size', 'size_gb', type='integer'),
    Field('createdAt', lambda found: micros(found.created_at), type='string'),
    Field('displayName', 'name', type='string?'),
    Field('displayDescription', 'description', type='string?'),
)
_PAGE = Query(Limit(), Integer('offset', min=0))
CREATE = Table(
    Integer('size', min=1),
    Text('display_name', nullable=True, max=255),
    Text('display_description', nullable=True),
    Text('volume_type', nullable=True),
    Map('metadata', Text(None, to='value', max=255), nullable=True),
    Uuid('snapshot_id', nullable=True),
    Text('availability_zone', nullable=True),
    within='volume')
CREATE_SNAPSHOT = Table(
    Uuid('volume_id', required=True),
    Boolean('force'),
    Text('display_name', nullable=True, max=255),
    Text('display_description', nullable=True),
    within='snapshot')
_MISSING = (exception.VolumeNotFound,)
_SNAPSHOT_MISSING = (exception.SnapshotNotFound,)


def _rule(name, role):
    return Rule(f'os-volumes:{name}', role, formerly='os-volumes')


class Volumes(wsgi.Resource):
    """Disks that outlive servers."""

    path = '/os-volumes'

    def __init__(self):
        self.volume = volume.API()

    def _list(self, context, limit=None, offset=0):
        return self.volume.get_all(context)[offset:][:limit]

    @wsgi.get(until='2.35', query=_PAGE, view=VOLUME.many('volumes'), policy=_rule('list', READER))
    def index(self, context, limit=None, offset=0):
        return self._list(context, limit, offset)

    @wsgi.get('/detail', until='2.35', query=_PAGE, view=VOLUME.many('volumes'), policy=_rule('detail', READER))
    def detail(self, context, limit=None, offset=0):
        return self._list(context, limit, offset)

    @wsgi.get('/{volume_id}', until='2.35', view=VOLUME.one('volume'), policy=_rule('show', READER), errors=_MISSING)
    def show(self, context, volume_id):
        return self.volume.get(context, volume_id)

    @wsgi.post(until='2.35', body=CREATE, success=200, view=VOLUME.one('volume'), policy=_rule('create', MEMBER),
               errors={exception.InvalidInput: 400, exception.InvalidVolume: 400, exception.QuotaError: 403,
                       exception.SnapshotNotFound: 404})
    def create(self, context, size=None, display_name=None, display_description=None, **more):
        made = self.volume.create(context, size, display_name, display_description, **more)
        return wsgi.Answer(made, location=f'/os-volumes/{made.id}')

    @wsgi.delete('/{volume_id}', until='2.35', success=202, policy=_rule('delete', MEMBER),
                 errors=(*_MISSING, exception.InvalidVolume))
    def delete(self, context, volume_id):
        self.volume.delete(context, volume_id)


class Snapshots(wsgi.Resource):
    """Volumes as they were."""

    path = '/os-snapshots'

    def __init__(self):
        self.volume = volume.API()

    @wsgi.get(until='2.35', query=_PAGE, view=SNAPSHOT.many('snapshots'), policy=_rule('snapshots:list', READER))
    def index(self, context, limit=None, offset=0):
        return self.volume.get_all_snapshots(context)[offset:][:limit]

    @wsgi.get('/detail', until='2.35', query=_PAGE, view=SNAPSHOT.many('snapshots'),
              policy=_rule('snapshots:detail', READER))
    def detail(self, context, limit=None, offset=0):
        return self.volume.get_all_snapshots(context)[offset:][:limit]

    @wsgi.get('/{snapshot_id}', until='2.35', view=SNAPSHOT.one('snapshot'), errors=_SNAPSHOT_MISSING,
              policy=_rule('snapshots:show', READER))
    def show(self, context, snapshot_id):
        return self.volume.get_snapshot(context, snapshot_id)

    @wsgi.post(until='2.35', body=CREATE_SNAPSHOT, success=200, view=SNAPSHOT.one('snapshot'),
               policy=_rule('snapshots:create', MEMBER), errors={
                   exception.VolumeNotFound: 404, exception.InvalidVolume: 400, exception.QuotaError: 403})
    def create(self, context, volume_id, force=False, display_name=None, display_description=None):
        return self.volume.create_snapshot(context, volume_id, display_name, display_description, force)

    @wsgi.delete('/{snapshot_id}', until='2.35', success=202, policy=_rule('snapshots:delete', MEMBER),
                 errors={exception.SnapshotNotFound: 404, exception.InvalidVolume: 400})
    def delete(self, context, snapshot_id):
        self.volume.delete_snapshot(context, snapshot_id)

