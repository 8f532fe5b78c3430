# SPDX-License-Identifier: Apache-2.0
"""Tokens that our own front door /identity has given (design D10)."""

from nova import context as nova_context
from nova.api.standalone import tokens


def identify(environ):
    """Whoever the token in X-Auth-Token was given to; None when it is wrong, expired or without a project."""
    found = tokens.authenticate_token(environ.get('HTTP_X_AUTH_TOKEN', ''))
    if not found or not found.get('project_id'):
        return None
    return nova_context.RequestContext(
        user_id=found['user_id'], project_id=found['project_id'], roles=list(found['roles']),
        user_name=found.get('user_name'), project_name=found.get('project_name'),
        auth_token=environ.get('HTTP_X_AUTH_TOKEN'))
