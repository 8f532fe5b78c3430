# SPDX-License-Identifier: Apache-2.0
"""Users, projects and roles of a small site, out of one YAML file.

    projects:
      demo: {description: A project}
    users:
      alice:
        password: $2b$12$...        # printed by: python -m nova.api.standalone.users
        roles: {demo: [member]}     # project: roles
        default_project: demo

Everything is in the one domain `Default`.  Ids may be given (`id:`); otherwise they follow from the names, so they
are the same on every machine and after every edit.
"""

import base64
import getpass
import hashlib
import os
import secrets
import time
import typing
import uuid

import bcrypt
import yaml
from oslo_log import log as logging

from nova import concurrency, exception

LOG = logging.getLogger(__name__)

DOMAIN = {'id': 'default', 'name': 'Default'}

#: A role brings these with it.
IMPLIED = {'admin': ('manager', 'member', 'reader'), 'manager': ('member', 'reader'), 'member': ('reader',)}
ROLES = ('admin', 'manager', 'member', 'reader', 'service')

_NAMESPACE = uuid.UUID('7e1c4f4e-9a51-4f0f-8a53-1d0a6f0d1c55')
# More than this bcrypt does not look at (and refuses).
_BCRYPT_BYTES = 72
# How long a change of the file may go unseen, in seconds.
_LOOK_EVERY_S = 1.0
# Compared with where there is no such user, so that the answer takes as long.
_NOBODY = '$2b$12$nIWAEabOqP9ao6NsDMqUteU/qLkSQ3LUYp.YHJQt3ewKV1gFmPlm2'


class Project(typing.NamedTuple):
    id: str
    name: str
    description: str = ''
    enabled: bool = True


class User(typing.NamedTuple):
    """`roles`: {project id: roles, the implied ones too}; `default_project` is a project id or None."""

    id: str
    name: str
    password: str
    roles: dict
    default_project: str | None = None
    email: str | None = None
    description: str = ''
    enabled: bool = True

    @property
    def fingerprint(self):
        """Changes with the password: tokens made before are void."""
        return hashlib.sha256(self.password.encode()).hexdigest()[:12]


def id_of(kind, name):
    """The id that follows from a name."""
    return uuid.uuid5(_NAMESPACE, f'{kind}:{name}').hex


class Directory:
    """What a users file says.  Immutable: a changed file is another directory."""

    def __init__(self, given=None):
        """:param given: the parsed file.
        :raises ConfigInvalid: something in it is wrong; says what.
        """
        given = given or {}
        if not isinstance(given, dict):
            raise _wrong('the file', 'must have projects and users')
        self.projects = self._read(given, 'projects', self._project)
        self._by_name = {project.name: project for project in self.projects.values()}
        self.users = self._read(given, 'users', self._user)
        self.user_by_name = {user.name: user for user in self.users.values()}
        granted = {role for user in self.users.values() for roles in user.roles.values() for role in roles}
        self.roles = {id_of('role', name): name for name in sorted({*ROLES, *granted})}

    @staticmethod
    def _read(given, kind, make):
        entries = given.get(kind) or {}
        if not isinstance(entries, dict):
            raise _wrong(kind, 'must be a map, name: settings')
        made = {}
        for name, settings in entries.items():
            one = make(str(name), settings or {})
            if one.id in made:
                raise _wrong(f'{kind}.{name}', f'id {one.id} is taken')
            made[one.id] = one
        return made

    @staticmethod
    def _project(name, settings):
        _require_known(f'projects.{name}', settings, ('id', 'description', 'enabled'))
        return Project(str(settings.get('id') or id_of('project', name)), name, str(settings.get('description') or ''),
                       bool(settings.get('enabled', True)))

    def _user(self, name, settings):
        where = f'users.{name}'
        _require_known(where, settings,
                       ('id', 'password', 'roles', 'default_project', 'email', 'description', 'enabled'))
        password = str(settings.get('password') or '')
        if not password.startswith('$2'):
            raise _wrong(f'{where}.password', 'must be a bcrypt hash (python -m nova.api.standalone.users prints one)')
        granted = settings.get('roles') or {}
        if not isinstance(granted, dict):
            raise _wrong(f'{where}.roles', 'must be a map, project: roles')
        roles = {self._project_id(where, project): _with_implied(f'{where}.roles.{project}', names)
                 for project, names in granted.items()}
        default = settings.get('default_project')
        if default is None and len(roles) == 1:
            default = next(iter(roles))
        elif default is not None:
            default = self._project_id(where, default)
        return User(str(settings.get('id') or id_of('user', name)), name, password, roles, default,
                    settings.get('email'), str(settings.get('description') or ''), bool(settings.get('enabled', True)))

    def _project_id(self, where, name):
        project = self._by_name.get(str(name)) or self.projects.get(str(name))
        if project is None:
            raise _wrong(where, f'project {name} is not in projects')
        return project.id

    def find_project(self, project_id=None, name=None):
        """The enabled project of this id or name, or None."""
        project = self.projects.get(project_id) if project_id is not None else self._by_name.get(name)
        return project if project is not None and project.enabled else None

    def find_user(self, user_id=None, name=None):
        """The enabled user of this id or name, or None."""
        user = self.users.get(user_id) if user_id is not None else self.user_by_name.get(name)
        return user if user is not None and user.enabled else None

    def projects_of(self, user):
        """The enabled projects in which the user has a role."""
        return [self.projects[project_id] for project_id in user.roles if self.projects[project_id].enabled]


def _require_known(where, settings, known):
    if not isinstance(settings, dict):
        raise _wrong(where, 'must be a map of settings')
    for name in settings:
        if name not in known:
            raise _wrong(f'{where}.{name}', f'is not one of {", ".join(known)}')


def _with_implied(where, names):
    names = [names] if isinstance(names, str) else names or ()
    if not isinstance(names, (list, tuple, set, dict)) or any(isinstance(name, (list, dict)) for name in names):
        raise _wrong(where, 'must be a role or a list of roles')
    return tuple(sorted({str(role) for name in names for role in (name, *IMPLIED.get(name, ()))}))


def _wrong(where, reason):
    return exception.ConfigInvalid(option='[standalone] users_file', reason=f'{where}: {reason}')


def _bytes(password):
    raw = password.encode()
    return raw if len(raw) <= _BCRYPT_BYTES else base64.b64encode(hashlib.sha256(raw).digest())


def hash_password(password, rounds=12):
    """What to write as `password:`.  Each round more doubles the time that a check takes (12: a quarter second)."""
    return bcrypt.hashpw(_bytes(password), bcrypt.gensalt(rounds)).decode()


def password_matches(password, hashed):
    """Whether this is the password of that hash; for None it takes as long, and is False.

    Slow on purpose; others run meanwhile.
    """
    found = concurrency.native(bcrypt.checkpw, _bytes(password), (hashed or _NOBODY).encode())
    return found and hashed is not None


class WatchedFile:
    """The parsed content of a file, read again when it changes; looked at once a second at most.

    :param parse: function of the text that makes the value, and raises when it is wrong: then the old one stays.
    :param empty: the value where there is no file.
    """

    def __init__(self, path, parse, empty):
        self.path, self._parse = path, parse
        self.value = empty
        self._identity = None
        self._looked = 0.0
        #: Differs each time that the value changed.
        self.generation = secrets.token_hex(4)

    def current(self, now=False):
        """The value; with `now` the file is looked at in any case."""
        at = time.monotonic()
        if now or at - self._looked >= _LOOK_EVERY_S:
            self._looked = at
            self._look()
        return self.value

    def _look(self):
        try:
            stat = os.stat(self.path)
            identity = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
            if identity == self._identity:
                return
            with open(self.path, encoding='utf-8') as source:
                self.value = self._parse(source.read())
        except FileNotFoundError:
            return
        except (OSError, ValueError, exception.NovaException) as exc:
            LOG.warning('%s cannot be used, what it said before stays in force: %s', self.path, exc)
        else:
            self.generation = secrets.token_hex(4)
        self._identity = identity


def parse(text):
    """The directory that the text of a users file describes.

    :raises ConfigInvalid: it is wrong; says what.
    """
    try:
        return Directory(yaml.safe_load(text))
    except yaml.YAMLError as exc:
        raise _wrong('the file', f'is not YAML: {exc}') from exc


def watched(path):
    """The directory of a users file, as a `WatchedFile`."""
    return WatchedFile(path, parse, Directory())


if __name__ == '__main__':
    print(hash_password(getpass.getpass('Password: ')))     # noqa: T201  what the command is for
