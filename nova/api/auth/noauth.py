# SPDX-License-Identifier: Apache-2.0
"""noauth2: whoever comes is who the token says.  For tests and for one's own machine."""

from nova import context as nova_context

ADMIN = 'admin'


def identify(environ):
    """The token is 'user:project'; the user `admin` is an administrator, others are members.  No token: admin.

    'user:project:reader' or another role after a second colon takes that role instead.

    An empty token is nobody's: None.
    """
    user, _colon, rest = environ.get('HTTP_X_AUTH_TOKEN', 'admin:noauth').partition(':')
    if not user:
        return None
    project, _colon, role = rest.partition(':')
    project = project or user
    role = role or (ADMIN if user == ADMIN else 'member')
    return nova_context.RequestContext(user_id=user, project_id=project, roles=[role],
                                       user_name=user, project_name=project)
