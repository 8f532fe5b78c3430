# SPDX-License-Identifier: Apache-2.0
"""A server made anew.  (/servers/{id}/action)"""

from nova import exception
from nova import policy as nova_policy
from nova.api.openstack import microversions, wsgi
from nova.api.openstack.compute.servers import bodies, views
from nova.api.openstack.compute.servers.power import ERRORS
from nova.api.openstack.compute.servers.resource import HostStatus
from nova.api.openstack.schema import Base64, Boolean, Choice, Description, Ip, List, Metadata, Name, Table, Text
from nova.api.openstack.view import ABSENT, UPDATE, Field
from nova.api.openstack.view import Table as View
from nova.compute import api as compute_api
from nova.compute import passwords
from nova.conf import CONF
from nova.policy import MEMBER, Rule

TRUSTED_CERTS = Rule('servers:rebuild:trusted_certs', MEMBER)
BODY = Table(
    Text('imageRef', required=True, to='image', max=2083),
    Name('name'),
    Text('adminPass', to='admin_password', max=255),
    Metadata('metadata'),
    Boolean('preserve_ephemeral'),
    Choice('OS-DCF:diskConfig', ('AUTO', 'MANUAL'), to='disk_config'),
    Ip('accessIPv4', version=4, to='access_ip_v4', nullable=True),
    Ip('accessIPv6', version=6, to='access_ip_v6', nullable=True),
    List('personality', bodies.PERSONALITY, until='2.56'),
    Description('description', since='2.19'),
    Name('key_name', since='2.54', nullable=True),
    Base64('user_data', since='2.57', max=65535, nullable=True),
    bodies.CERTIFICATES,
    *bodies.HOST_NAMES,
)
#: The answer is that of an update, and the password.
VIEW = View(
    *(field for field in views.VIEW.fields if field.name != 'OS-EXT-SRV-ATTR:user_data'),
    Field('adminPass', lambda server: server.admin_password if CONF.api.enable_instance_password else ABSENT,
          on=UPDATE, type='string', optional=True),
    Field('key_name', since={UPDATE: '2.54'}, needs='key_name', type='string?'),
    Field('user_data', since={UPDATE: '2.57'}, needs='user_data', type='string?'),
)
FAILS = {**dict.fromkeys(ERRORS), **dict.fromkeys((
    exception.ImageNotFound, exception.ImageNotAuthorized, exception.ImageNotActive, exception.FlavorMemoryTooSmall,
    exception.FlavorDiskSmallerThanImage, exception.FlavorDiskSmallerThanMinDisk, exception.KeypairNotFound,
    exception.Invalid), 400), exception.QuotaError: 403,
    exception.NotAuthorized: 403}
_COLUMNS = {'name': 'display_name', 'description': 'display_description'}


class Rebuild(wsgi.Resource):
    """What makes a server anew."""

    path = '/servers/{server_id}'

    def __init__(self):
        self.compute = compute_api.API()
        self.hosts = HostStatus(self.compute)

    @wsgi.action('rebuild', body=BODY, view=VIEW.one('server'), on=UPDATE, policy=Rule('servers:rebuild', MEMBER),
                 errors=FAILS)
    def rebuild(self, context, server_id, minor, needs, image, admin_password=None, personality=(),
                preserve_ephemeral=False, **changes):
        if changes.get('trusted_certs'):
            nova_policy.authorize(context, TRUSTED_CERTS)
        server = self.compute.get(context, server_id)
        image = image.rstrip('/').rpartition('/')[2]
        if 'disk_config' in changes:
            changes['auto_disk_config'] = changes.pop('disk_config') == 'AUTO'
        key_name = {'key_name': changes.pop('key_name')} if 'key_name' in changes else {}
        admin_password = admin_password or passwords.generate()
        self.compute.rebuild(context, server, image, admin_password, personality, preserve_ephemeral, **key_name,
                             may_reimage=minor >= microversions.minor('2.93'),
                             **{_COLUMNS.get(name, name): value for name, value in changes.items()})
        server = self.hosts.load(context, server_id, needs)
        server.admin_password = admin_password
        return wsgi.Answer(server, location=f'/servers/{server_id}')
