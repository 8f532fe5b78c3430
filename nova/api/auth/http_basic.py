# SPDX-License-Identifier: Apache-2.0
"""HTTP Basic with a file of bcrypt hashes, as `htpasswd -B` writes it."""

import base64
import binascii
import hashlib
import os

import bcrypt
from oslo_log import log

from nova import concurrency
from nova import context as nova_context
from nova.conf import CONF

LOG = log.getLogger(__name__)
_file = {'stamp': None, 'hashes': {}}
#: Checking a hash takes long on purpose; what was right once is right until the file changes.
_known = {}
_KNOWN_MOST = 1000
#: A hash, of a password that nobody has.
_NOBODY = '$2b$12$dN/8txGlUDMwdhV97VeYuOv9.UYccM69RG7gddBsZlCplVY.xGlAa'


def identify(environ):
    """The user of the Authorization header, in the project of all such users; None if the password is wrong."""
    scheme, _space, encoded = environ.get('HTTP_AUTHORIZATION', '').partition(' ')
    if scheme.lower() != 'basic':
        return None
    try:
        user, colon, password = base64.b64decode(encoded, validate=True).decode().partition(':')
    except (binascii.Error, UnicodeDecodeError):
        return None
    if not colon or not _is_right(user, password):
        return None
    role = 'admin' if user in CONF.api.http_basic_auth_admins else 'member'
    project = CONF.api.http_basic_auth_project
    return nova_context.RequestContext(user_id=user, project_id=project, roles=[role], user_name=user,
                                       project_name=project)


def _is_right(user, password):
    # A name that is not there costs the same as one that is, so that time does not tell which are.
    expected = _hashes().get(user, _NOBODY)
    key = hashlib.sha256(f'{user}:{password}:{expected}'.encode()).digest()
    if key in _known:
        return True
    try:
        # In a thread of its own: meanwhile the others go on.
        right = concurrency.native(bcrypt.checkpw, password.encode()[:72], expected.encode()) and expected != _NOBODY
    except ValueError:
        LOG.warning('%s: the hash of %s is no bcrypt hash; make it with htpasswd -B',
                    CONF.api.http_basic_auth_user_file, user)
        return False
    if right:
        if len(_known) >= _KNOWN_MOST:
            _known.clear()
        _known[key] = True
    return right


def _hashes():
    """{user: hash} of the file, read again when it changed."""
    path = CONF.api.http_basic_auth_user_file
    try:
        stamp = (path, os.stat(path).st_mtime_ns)
    except OSError as error:
        LOG.warning('[api]http_basic_auth_user_file cannot be read, nobody can come in: %s', error)
        return {}
    if _file['stamp'] != stamp:
        with open(path, encoding='utf-8') as source:
            lines = (line.strip() for line in source)
            _file.update(stamp=stamp, hashes=dict(line.split(':', 1) for line in lines if ':' in line))
        _known.clear()
    return _file['hashes']
