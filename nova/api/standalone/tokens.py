# SPDX-License-Identifier: Apache-2.0
"""Tokens of the standalone identity service: signed and encrypted, kept nowhere, checked without touching a file.

A token says who, for which project, until when, and which password or application credential it came from.  What the
user may do is looked up in the users file when the token is used: a user who is disabled, loses a role or changes the
password loses it at once in every process (a second later at most).
"""

import collections
import contextlib
import datetime
import fcntl
import os
import secrets
import time
import typing

import orjson
from cryptography import fernet

from nova import conf, exception
from nova.api.standalone import users

CONF = conf.CONF

_VERSION = 1
_MAX_CACHED = 4096
# Bytes; a longer header is no token of ours and is not worth decrypting.
_MAX_TOKEN = 2048
# An application credential's secret is long and random: fewer rounds than a password needs.
_SECRET_ROUNDS = 6


class Claims(typing.NamedTuple):
    """What is inside of a token.  Times are seconds since 1970; `parent` is the audit id of the token it came from."""

    version: int
    user_id: str
    project_id: str | None
    methods: list
    audit_id: str
    parent: str | None
    issued: int
    expires: int
    credential_id: str | None
    fingerprint: str


class Authority:
    """Issues, checks and revokes tokens, and keeps application credentials."""

    def __init__(self, users_file, secret_file, grants_file, ttl_s):
        self._users = users.watched(users_file)
        self._grants = users.WatchedFile(grants_file, orjson.loads, {})
        self._secret_file, self._secret = secret_file, None
        self._ttl_s = ttl_s
        self._cache = collections.OrderedDict()

    @property
    def directory(self):
        """The users, projects and roles, as `users.Directory`."""
        return self._users.current()

    # Tokens

    def issue(self, user, project, methods, parent=None, credential_id=None, expires=None):
        """A new token and its claims.

        :param parent: claims of the token it is made from; it does not live longer.
        :param expires: seconds since 1970, if something else ends it earlier than its age.
        """
        now = int(time.time())
        ends = [now + self._ttl_s, *[end for end in (expires, parent and parent.expires) if end]]
        methods = sorted({*methods, *(parent.methods if parent else ())})
        claims = Claims(_VERSION, user.id, project.id if project else None, methods, secrets.token_urlsafe(16),
                        parent.audit_id if parent else None, now, min(ends), credential_id, user.fingerprint)
        return self._keys().encrypt(orjson.dumps(tuple(claims))).decode(), claims

    def authenticate(self, token):
        """What a token says, as a dict, or None if it is not valid (now, any more, or at all).

        user_id, user_name, project_id, project_name (None when unscoped), user_domain_id, project_domain_id, roles
        (names), methods, issued_at, expires_at (aware UTC), audit_ids, and `claims`.
        """
        if not token or len(token) > _MAX_TOKEN:
            return None
        self._users.current()
        self._grants.current()
        self._keys()
        generation = (self._users.generation, self._grants.generation, self._secret.generation)
        cached = self._cache.get(token)
        if cached is not None and cached[0] == generation:
            identity = cached[1]
        else:
            identity = self._identity(token)
            if identity is None:
                return None
            self._cache[token] = (generation, identity)
            if len(self._cache) > _MAX_CACHED:
                self._cache.popitem(last=False)
        return identity if identity['claims'].expires > time.time() else None

    def _identity(self, token):
        try:
            claims = Claims(*orjson.loads(self._keys().decrypt(token.encode())))
        except (fernet.InvalidToken, orjson.JSONDecodeError, TypeError, UnicodeEncodeError):
            return None
        directory = self._users.value
        user = directory.find_user(claims.user_id)
        if claims.version != _VERSION or user is None or user.fingerprint != claims.fingerprint:
            return None
        if claims.audit_id in self._grants.value.get('revoked', {}):
            return None
        project = directory.find_project(claims.project_id) if claims.project_id else None
        roles = user.roles.get(claims.project_id, ())
        if claims.project_id and (project is None or not roles):
            return None
        if claims.credential_id:
            credential = self.credential(claims.credential_id)
            if credential is None or credential['user_id'] != user.id:
                return None
            roles = tuple(role for role in roles if role in credential['roles'])
        return {
            'user_id': user.id, 'user_name': user.name, 'user_domain_id': users.DOMAIN['id'],
            'project_id': project.id if project else None, 'project_name': project.name if project else None,
            'project_domain_id': users.DOMAIN['id'] if project else None, 'roles': list(roles),
            'methods': claims.methods, 'issued_at': _at(claims.issued), 'expires_at': _at(claims.expires),
            'audit_ids': [claims.audit_id, *([claims.parent] if claims.parent else [])], 'claims': claims,
        }

    def revoke(self, claims):
        """Make a token void, for every process."""
        with self._changing() as grants:
            now = time.time()
            revoked = {audit: end for audit, end in grants.get('revoked', {}).items() if end > now}
            grants['revoked'] = {**revoked, claims.audit_id: claims.expires}

    # Application credentials

    def credential(self, credential_id):
        """The application credential of this id while it is valid, or None."""
        found = self._grants.current().get('credentials', {}).get(credential_id)
        if found is None or (found['expires'] and found['expires'] <= time.time()):
            return None
        return found

    def credentials_of(self, user_id):
        return [found for found in self._grants.current().get('credentials', {}).values()
                if found['user_id'] == user_id]

    def add_credential(self, user_id, project_id, name, secret, roles, expires=None, description='',
                       unrestricted=False):
        """Keep a new application credential; only a hash of its secret is stored.

        :raises Conflict: the user has one of this name.
        """
        digest = users.hash_password(secret, _SECRET_ROUNDS)
        with self._changing() as grants:
            kept = grants.setdefault('credentials', {})
            if any(one['user_id'] == user_id and one['name'] == name for one in kept.values()):
                raise exception.Conflict(reason=f'name: the user has an application credential {name} already.')
            made = {'id': secrets.token_hex(16), 'user_id': user_id, 'project_id': project_id, 'name': name,
                    'secret': digest, 'roles': list(roles), 'expires': expires, 'description': description,
                    'unrestricted': bool(unrestricted)}
            kept[made['id']] = made
        return made

    def remove_credential(self, credential_id):
        with self._changing() as grants:
            grants.get('credentials', {}).pop(credential_id, None)

    # Files

    @contextlib.contextmanager
    def _changing(self):
        """Yield the grants; what is in them when the block ends is stored.  One process at a time."""
        os.makedirs(os.path.dirname(self._grants.path) or '.', exist_ok=True)
        with _private(f'{self._grants.path}.lock') as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            grants = orjson.loads(orjson.dumps(self._grants.current(now=True)))
            yield grants
            part = f'{self._grants.path}.part'
            with _private(part) as target:
                target.write(orjson.dumps(grants, option=orjson.OPT_INDENT_2))
                target.flush()
                os.fsync(target.fileno())
            os.replace(part, self._grants.path)
        self._grants.current(now=True)

    def _keys(self):
        if self._secret is None:
            _require_secret(self._secret_file)
            self._secret = users.WatchedFile(self._secret_file, _parse_keys, None)
        return self._secret.current()


def _parse_keys(text):
    return fernet.MultiFernet([fernet.Fernet(line.strip()) for line in text.splitlines() if line.strip()])


def _require_secret(path):
    """Make the file with the signing key unless there is one.  Of several processes that try, one wins."""
    if os.path.exists(path):
        return
    os.makedirs(os.path.dirname(path) or '.', exist_ok=True)
    part = f'{path}.{os.getpid()}'
    with _private(part) as target:
        target.write(fernet.Fernet.generate_key() + b'\n')
        target.flush()
        os.fsync(target.fileno())
    with contextlib.suppress(FileExistsError):
        os.link(part, path)
    os.unlink(part)


def _private(path):
    """Open a file for writing that only its owner reads, emptied."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 'wb')


def _at(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)


_authority = None


def authority():
    """The authority that the configuration describes; made when first asked for."""
    global _authority
    if _authority is None:
        options = CONF.standalone
        _authority = Authority(options.users_file, options.secret_file, options.grants_file, options.token_ttl_s)
    return _authority


def reset():
    """Forget the authority: the configuration has changed."""
    global _authority
    _authority = None


def authenticate_token(token):
    """What a token of the standalone identity service says, or None; see `Authority.authenticate`.

    Fast: reads no file unless one changed, and that is looked at once a second.
    """
    return authority().authenticate(token) if CONF.standalone.enabled else None


def random_secret():
    """A secret nobody guesses."""
    return secrets.token_urlsafe(48)
