# SPDX-License-Identifier: Apache-2.0
"""Volumes of a server.  (/servers/{id}/os-volume_attachments)"""

from nova import exception
from nova import policy as nova_policy
from nova.api.openstack import microversions, wsgi
from nova.api.openstack.compute.servers.bodies import ATTACH_TAG
from nova.api.openstack.errors import Refused
from nova.api.openstack.schema import Boolean, Integer, Limit, Query, Table, Text, Uuid
from nova.api.openstack.view import ABSENT, CREATE, LIST, SHOW, Field
from nova.api.openstack.view import Table as View
from nova.compute import api as compute_api
from nova.policy import MEMBER, READER, SERVICE, Rule

SWAP = Rule('os-volumes-attachments:swap', SERVICE)
UPDATE = Rule('os-volumes-attachments:update', MEMBER)
VIEW = View(
    Field('id', 'volume_id', on=(LIST, SHOW), until='2.88', type='string'),
    Field('id', 'volume_id', on=CREATE, type='string'),
    Field('volumeId', 'volume_id', type='string'),
    Field('serverId', 'instance_uuid', type='string'),
    Field('device', lambda bdm: bdm.device_name or ABSENT, type='string', optional=True),
    Field('tag', since='2.70', type='string?'),
    Field('delete_on_termination', since='2.79', type='boolean'),
    Field('attachment_id', on=(LIST, SHOW), since='2.89', type='string'),
    Field('bdm_uuid', 'uuid', on=(LIST, SHOW), since='2.89', type='string'),
)
_DEVICE = Text('device', nullable=True, pattern=r'^(/dev/)?x?[a-z]?d?[a-z]+[0-9]*\Z',
               says='a device name like /dev/vdb')
ATTACH = Table(
    Uuid('volumeId', required=True, to='volume_id'), _DEVICE, ATTACH_TAG,
    Boolean('delete_on_termination', since='2.79'), within='volumeAttachment')
CHANGE = Table(
    Uuid('volumeId', required=True, to='volume_id'),
    Text('device', nullable=True, since='2.85'), Text('tag', since='2.85', nullable=True),
    Boolean('delete_on_termination', since='2.85'), Uuid('serverId', since='2.85', to='given_server'),
    Uuid('id', since='2.85', to='given_id'), within='volumeAttachment')
_STATE = {exception.InstanceNotFound: 404, exception.InstanceInvalidState: 409, exception.InstanceIsLocked: 409,
          exception.InstanceNotReady: 409}
FAILS = {**_STATE, exception.VolumeNotFound: 404, exception.InvalidVolume: 400, exception.InvalidInput: 400}


class VolumeAttachments(wsgi.Resource):
    """Volumes that come and go."""

    path = '/servers/{server_id}/os-volume_attachments'

    def __init__(self):
        self.compute = compute_api.API()

    @wsgi.get(query=Query(Limit(), Integer('offset', min=0), strict='2.75'), view=VIEW.many('volumeAttachments'),
              policy=Rule('os-volumes-attachments:index', READER), errors=(exception.InstanceNotFound,))
    def index(self, context, server_id, limit=None, offset=0):
        return self.compute.get_volume_attachments(context, self.compute.get(context, server_id))[offset:][:limit]

    @wsgi.get('/{volume_id}', view=VIEW.one('volumeAttachment'), policy=Rule('os-volumes-attachments:show', READER),
              errors=(exception.InstanceNotFound, exception.VolumeBDMNotFound))
    def show(self, context, server_id, volume_id):
        return self.compute.get_volume_attachment(context, self.compute.get(context, server_id), volume_id)

    def _attach(self, context, server_id, minor, **body):
        server = self.compute.get(context, server_id)
        if minor < microversions.minor('2.20') and server.vm_state.startswith('shelved'):
            raise exception.InstanceInvalidState(attr='vm_state', instance_uuid=server_id, state=server.vm_state,
                                                 method='attach_volume')
        return self.compute.attach_volume(context, server, supports_multiattach=minor >= microversions.minor('2.60'),
                                          **body)

    @wsgi.post(until='2.100', body=ATTACH, success=200, view=VIEW.one('volumeAttachment'),
               policy=Rule('os-volumes-attachments:create', MEMBER), errors=FAILS)
    def create(self, context, server_id, minor, **body):
        return self._attach(context, server_id, minor, **body)

    @wsgi.post(since='2.101', body=ATTACH, success=202, policy=Rule('os-volumes-attachments:create', MEMBER),
               errors=FAILS)
    def begin(self, context, server_id, minor, **body):
        self._attach(context, server_id, minor, **body)

    @wsgi.put('/{attached_id}', body=CHANGE, success=202, errors={**FAILS, exception.VolumeBDMNotFound: 404,
                                                                exception.NotAuthorized: 403})
    def update(self, context, server_id, attached_id, volume_id, minor, delete_on_termination=None, **given):
        server = self.compute.get(context, server_id)
        bdm = self.compute.get_volume_attachment(context, server, attached_id)
        target = {'project_id': server.project_id}
        if volume_id != attached_id or minor < microversions.minor('2.85'):
            nova_policy.authorize(context, SWAP, target)
            self.compute.swap_volume(context, server, attached_id, volume_id)
            return
        nova_policy.authorize(context, UPDATE, target)
        same = {'device': bdm.device_name, 'tag': bdm.tag, 'given_server': server_id, 'given_id': attached_id}
        for name, value in given.items():
            if value != same[name]:
                raise Refused(f'{name.removeprefix("given_")}: cannot be changed.')
        if delete_on_termination is not None:
            self.compute.update_volume_attachment(context, server, bdm, delete_on_termination)

    @wsgi.delete('/{volume_id}', success=202, policy=Rule('os-volumes-attachments:delete', MEMBER),
                 errors={**FAILS, exception.VolumeBDMNotFound: 404})
    def delete(self, context, server_id, volume_id):
        self.compute.detach_volume(context, self.compute.get(context, server_id), volume_id)
