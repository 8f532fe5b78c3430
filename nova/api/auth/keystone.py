# SPDX-License-Identifier: Apache-2.0
"""Keystone: keystonemiddleware has checked the token, and says in headers whose it is."""

import json

from nova import context as nova_context
from nova.conf import CONF


def identify(environ):
    """The context of the token; None when it is not valid or has no project."""
    if environ.get('HTTP_X_IDENTITY_STATUS') != 'Confirmed' or not environ.get('HTTP_X_PROJECT_ID'):
        return None
    roles = [role.strip() for role in environ.get('HTTP_X_ROLES', '').split(',') if role.strip()]
    catalog = environ.get('HTTP_X_SERVICE_CATALOG')
    return nova_context.RequestContext.from_environ(
        environ, user_id=environ.get('HTTP_X_USER_ID'), project_id=environ['HTTP_X_PROJECT_ID'], roles=roles,
        service_catalog=json.loads(catalog) if catalog else None)


def protocol(app):
    """keystonemiddleware around the application; it lets unproven callers through, who then get our own 401."""
    from keystonemiddleware import auth_token
    return auth_token.AuthProtocol(app, {'oslo_config_config': CONF, 'delay_auth_decision': True})
