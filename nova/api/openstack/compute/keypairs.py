# SPDX-License-Identifier: Apache-2.0
"""Key pairs: public keys that a user may put into new servers.  (/os-keypairs)"""

from nova import exception, objects
from nova.api.openstack import wsgi
from nova.api.openstack.schema import Choice, Limit, Query, Table, Text, UserId
from nova.api.openstack.view import ABSENT, CREATE, SHOW, Field
from nova.api.openstack.view import Table as View
from nova.compute import api as compute_api
from nova.policy import USER, Rule

_NAME = {'min': 1, 'max': 255, 'required': True}
BODY = Table(
    Text('name', **_NAME, until='2.91', pattern=r'^[a-zA-Z0-9 _-]+\Z', says='letters, digits, spaces, _ and -',
         in_v2=Text('name', **_NAME)),
    Text('name', **_NAME, since='2.92', pattern=r'^[a-zA-Z0-9 _@.-]+\Z', says='letters, digits, spaces, _ - @ and .'),
    Text('public_key', max=16384, format=None, required='2.92'),
    Choice('type', ('ssh', 'x509'), since='2.2', to='key_type'),
    UserId('user_id', since='2.10'),
    within='keypair',
)
OF_USER = UserId('user_id', since='2.10')
VIEW = View(
    Field('name', type='string'),
    Field('public_key', type='string'),
    Field('fingerprint', type='string'),
    Field('type', since='2.2', type='string'),
    Field('user_id', on=(SHOW, CREATE), type='string'),
    Field('id', on=SHOW, type='integer'),
    Field('created_at', lambda pair: pair.created_at.strftime('%Y-%m-%dT%H:%M:%S.%f'), on=SHOW, type='string'),
    Field('updated_at', lambda pair: None, on=SHOW, type='null'),
    Field('deleted', lambda pair: False, on=SHOW, type='boolean'),
    Field('deleted_at', lambda pair: None, on=SHOW, type='null'),
    Field('private_key', lambda pair: getattr(pair, 'private_key', None) or ABSENT, on=CREATE, until='2.91',
          type='string', optional=True),
)
#: In a list each is within its own key.
ITEM = View(Field('keypair', lambda pair: pair, view=VIEW))


def _owner(context, values):
    return {'user_id': values.get('user_id') or context.user_id}


class Keypairs(wsgi.Resource):
    """SSH keys and X.509 certificates that a user puts into new servers."""

    path = '/os-keypairs'

    def __init__(self):
        self.compute = compute_api.API()

    @wsgi.get(query=Query(OF_USER, Limit(since='2.35'), Text('marker', since='2.35'), strict='2.75'),
              view=ITEM.many('keypairs', links='keypairs_links', marker='name', since='2.35'),
              policy=Rule('os-keypairs:index', USER), target=_owner, errors=(exception.MarkerNotFound,))
    def index(self, context, user_id=None, limit=None, marker=None):
        return objects.KeyPairList.get_by_user(context, user_id or context.user_id, limit, marker)

    @wsgi.get('/{name}', query=Query(OF_USER, strict='2.75'), view=VIEW.one('keypair'),
              policy=Rule('os-keypairs:show', USER), target=_owner, errors=(exception.KeypairNotFound,))
    def show(self, context, name, user_id=None):
        return objects.KeyPair.get_by_name(context, user_id or context.user_id, name)

    @wsgi.post(body=BODY, view=VIEW.one('keypair'), success={'2.1': 200, '2.2': 201},
               policy=Rule('os-keypairs:create', USER), target=_owner,
               errors=(exception.InvalidKeypair, exception.KeyPairExists, exception.KeypairLimitExceeded))
    def create(self, context, name, public_key=None, key_type='ssh', user_id=None):
        pair, private_key = self.compute.create_key_pair(context, user_id or context.user_id, name, public_key,
                                                         key_type)
        pair.private_key = private_key
        return pair

    @wsgi.delete('/{name}', query=Query(OF_USER, strict='2.75'), success={'2.1': 202, '2.2': 204},
                 policy=Rule('os-keypairs:delete', USER), target=_owner, errors=(exception.KeypairNotFound,))
    def delete(self, context, name, user_id=None):
        self.compute.delete_key_pair(context, user_id or context.user_id, name)
