# SPDX-License-Identifier: Apache-2.0
"""Who calls: each way ends in a `nova.context.RequestContext` in `environ['nova.context']`.

`[api] auth_strategy` chooses.  A strategy is a function `(environ) -> RequestContext`, or None: 401.
"""

import re
import time

import orjson

from nova import policy
from nova.api.auth import http_basic, keystone, noauth, standalone
from nova.api.openstack import urlmap
from nova.conf import CONF

STRATEGIES = {'noauth2': noauth.identify, 'http_basic': http_basic.identify, 'standalone': standalone.identify,
              'keystone': keystone.identify}
_REQUEST_ID = re.compile(r'req-[0-9a-fA-F-]{36}')
_CHALLENGES = {'http_basic': 'Basic realm="Compute API"'}


#: What a role includes, where the identity service does not spell it out.
_IMPLIED = {'admin': ('manager', 'member', 'reader'), 'manager': ('member', 'reader'), 'member': ('reader',)}


def with_implied(roles):
    """The roles, and those that they include: an administrator is a manager, a manager a member, a member a reader."""
    found = dict.fromkeys(roles)
    for role in roles:
        found.update(dict.fromkeys(_IMPLIED.get(role.lower(), ())))
    return list(found)


class Middleware:
    """Lets in who can prove who he is."""

    def __init__(self, app, strategy):
        self.app, self.identify = app, STRATEGIES[strategy]
        self.challenge = _CHALLENGES.get(strategy)

    def __call__(self, environ, start_response):
        environ.setdefault('openstack.request_id', urlmap.new_request_id())
        context = self.identify(environ)
        if context is None:
            return self.refuse(environ, start_response)
        context.request_id = environ['openstack.request_id']
        context.roles = with_implied(context.roles)
        context.is_admin = policy.is_admin(context)
        given = environ.get('HTTP_X_OPENSTACK_REQUEST_ID', '')
        context.global_request_id = given if _REQUEST_ID.fullmatch(given) else None
        context.remote_address = environ.get('REMOTE_ADDR')
        context.timestamp = time.time()
        context.update_store()
        environ['nova.context'] = context
        return self.app(environ, start_response)

    def refuse(self, environ, start_response):
        body = orjson.dumps({'unauthorized': {'code': 401, 'message': 'The request carries no valid credentials.'}})
        headers = [('Content-Type', 'application/json'), ('Content-Length', str(len(body))),
                   ('x-openstack-request-id', environ['openstack.request_id']),
                   ('x-compute-request-id', environ['openstack.request_id'])]
        if self.challenge:
            headers.append(('WWW-Authenticate', self.challenge))
        start_response('401 Unauthorized', headers)
        return [body]


def factory(global_conf, **_local):
    """A paste filter: what [api] auth_strategy says.  With Keystone, its own middleware stands in front."""
    strategy = CONF.api.auth_strategy

    def wrap(app):
        inner = Middleware(app, strategy)
        return keystone.protocol(inner) if strategy == 'keystone' else inner
    return wrap
