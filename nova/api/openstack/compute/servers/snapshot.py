# SPDX-License-Identifier: Apache-2.0
"""Images of a server.  (/servers/{id}/action)"""

from nova import exception, objects
from nova import policy as nova_policy
from nova.api.openstack import microversions, wsgi
from nova.api.openstack.compute.servers.power import ERRORS
from nova.api.openstack.errors import Refused
from nova.api.openstack.schema import Integer, Metadata, Name, Table
from nova.api.openstack.view import Field
from nova.api.openstack.view import Table as View
from nova.compute import api as compute_api
from nova.conf import CONF
from nova.policy import MEMBER, Rule

IMAGE = Table(Name('name', required=True), Metadata('metadata', default=dict))
BACKUP = Table(Name('name', required=True), Name('backup_type', required=True),
               Integer('rotation', min=0, required=True), Metadata('metadata', default=dict))
RULE = Rule('servers:create_image', MEMBER)
ALLOW_VOLUME_BACKED = Rule('servers:create_image:allow_volume_backed', MEMBER)
BACKUP_RULE = Rule('os-create-backup', MEMBER)
FAILS = {**dict.fromkeys(ERRORS), exception.VolumeBackedNotSupported: 400, exception.ImageUnacceptable: 400,
         exception.ImageNotAuthorized: 403, exception.QuotaError: 403, exception.Invalid: 400}
_VIEW = View(Field('image_id', lambda image_id: image_id, type='string'))


class Snapshot(wsgi.Resource):
    """What makes an image of a server's disk."""

    path = '/servers/{server_id}'

    def __init__(self):
        self.compute = compute_api.API()

    def _image(self, context, server_id, minor, name, metadata):
        _check(context, minor, metadata)
        server = self.compute.get(context, server_id)
        if not server.image_ref:
            nova_policy.authorize(context, ALLOW_VOLUME_BACKED)
        return self.compute.snapshot(context, server, name, metadata)['id']

    @wsgi.action('createImage', until='2.44', body=IMAGE, policy=RULE, errors=FAILS)
    def create(self, context, server_id, minor, name, metadata):
        return wsgi.Answer(location=f'/images/{self._image(context, server_id, minor, name, metadata)}')

    @wsgi.action('createImage', since='2.45', body=IMAGE, view=_VIEW.one(), policy=RULE, errors=FAILS)
    def create_with_id(self, context, server_id, minor, name, metadata):
        return self._image(context, server_id, minor, name, metadata)

    def _backup(self, context, server_id, minor, name, backup_type, rotation, metadata):
        _check(context, minor, metadata)
        return self.compute.backup(context, self.compute.get(context, server_id), name, backup_type, rotation,
                                   metadata)['id']

    @wsgi.action('createBackup', until='2.44', body=BACKUP, policy=BACKUP_RULE, errors=FAILS)
    def backup(self, context, server_id, minor, rotation, **body):
        image_id = self._backup(context, server_id, minor, rotation=rotation, **body)
        return wsgi.Answer(location=f'/images/{image_id}' if rotation else None)

    @wsgi.action('createBackup', since='2.45', body=BACKUP, view=_VIEW.one(empty=True), policy=BACKUP_RULE,
                 errors=FAILS)
    def backup_with_id(self, context, server_id, minor, rotation, **body):
        image_id = self._backup(context, server_id, minor, rotation=rotation, **body)
        return image_id if rotation else None


def _check(context, minor, metadata):
    """Raises Refused where no images may be made, and before 2.39 MetadataLimitExceeded."""
    if not CONF.api.allow_instance_snapshots:
        raise Refused('Instance snapshots are not permitted at this time.')
    if minor < microversions.minor('2.39'):
        check_metadata(context, metadata)


def check_metadata(context, metadata):
    """Raises MetadataLimitExceeded for more properties of an image than the quota has."""
    limit = objects.Quotas.limits(context, context.project_id, context.user_id)['metadata_items']
    if 0 <= limit < len(metadata):
        raise exception.MetadataLimitExceeded(allowed=limit)
