# SPDX-License-Identifier: Apache-2.0
"""The WSGI application of the front doors, for paste.

    [app:identity]
    paste.app_factory = nova.api.standalone.app:factory
    door = identity

Without `door` the last part of the mount point (`/identity`, `/image`, `/network`, `/volume`) says which one it is.
"""

from nova import conf, exception
from nova.api.standalone import identity, image, network, tokens, users, volume

CONF = conf.CONF

#: Name -> application.
DOORS = {'identity': identity.application, 'image': image.application, 'network': network.application,
         'volume': volume.application}


class Doors:
    """All doors; the mount point of a request says which is meant."""

    def __init__(self, doors):
        self._doors = doors

    def __call__(self, environ, start_response):
        door = self._doors.get(environ.get('SCRIPT_NAME', '').rstrip('/').rpartition('/')[2])
        if door is None:
            body = b'{"message": "There is nothing here."}'
            start_response('404 Not Found', [('Content-Type', 'application/json'), ('Content-Length', str(len(body)))])
            return [body]
        return door(environ, start_response)


def factory(global_conf, door=None, **local_conf):
    """One door, or all of them by mount point.

    :raises ConfigInvalid: the users file is wrong.
    """
    if not CONF.standalone.enabled:
        return Doors({})
    _require_readable_users()
    made = {name: make() for name, make in DOORS.items() if door in (None, name)}
    if not made:
        raise exception.ConfigInvalid(option='api-paste.ini: door', reason=f'{door} is not one of {", ".join(DOORS)}')
    return made[door] if door else Doors(made)


def _require_readable_users():
    tokens.reset()
    try:
        with open(CONF.standalone.users_file, encoding='utf-8') as source:
            users.parse(source.read())
    except FileNotFoundError:
        pass  # nobody can get a token, and the file may still come
    except (OSError, ValueError) as exc:
        raise exception.ConfigInvalid(option='[standalone] users_file', reason=str(exc)) from exc
