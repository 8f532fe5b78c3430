# SPDX-License-Identifier: Apache-2.0
"""Where the console is that a token opens.  (/os-console-auth-tokens)"""

from nova import exception, objects
from nova.api.openstack import wsgi
from nova.api.openstack.view import ABSENT, Field, Table
from nova.policy import ADMIN, Rule

VIEW = Table(
    Field('instance_uuid', type='string'),
    Field('host', type='string?'),
    Field('port', type='integer'),
    Field('internal_access_path', type='string?'),
    Field('tls_port', lambda found: found.tls_port if found.console_type == 'spice-direct' else ABSENT, since='2.99',
          type='integer?', optional=True),
)
RULE = Rule('os-console-auth-tokens', ADMIN)


class ConsoleAuthTokens(wsgi.Resource):
    """What proxies of consoles ask."""

    path = '/os-console-auth-tokens'

    @wsgi.get('/{token}', until='2.30', view=VIEW.one('console'), policy=RULE,
              errors={exception.ConsoleTokenNotFound: 404, exception.Unauthorized: 401})
    def show_rdp(self, context, token):
        found = objects.ConsoleAuthToken.validate(context, token)
        if found.console_type != 'rdp-html5':
            raise exception.Unauthorized('The requested console type details are not accessible')
        return found

    @wsgi.get('/{token}', since='2.31', view=VIEW.one('console'), policy=RULE,
              errors=(exception.ConsoleTokenNotFound,))
    def show(self, context, token):
        return objects.ConsoleAuthToken.validate(context, token)
