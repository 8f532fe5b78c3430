# SPDX-License-Identifier: Apache-2.0
"""noauth2: whoever comes is who the token says.  For tests and for one's own machine."""

from nova import context as nova_context

ADMIN = 'admin'


def identify(environ):
    """The token is 'user:project'; the user `admin` is an administrator, others are members.  No token: admin.

    An empty token is nobody's: None.
    """
    user, _colon, project = environ.get('HTTP_X_AUTH_TOKEN', 'admin:noauth').partition(':')
    if not user:
        return None
    project = project or user
    return nova_context.RequestContext(user_id=user, project_id=project, roles=[ADMIN if user == ADMIN else 'member'],
                                       user_name=user, project_name=project)
