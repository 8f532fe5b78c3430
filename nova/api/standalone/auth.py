# SPDX-License-Identifier: Apache-2.0
"""Who comes in, and with what they leave: /v3/auth of the identity door."""

import time

from oslo_utils import timeutils

from nova import conf, exception
from nova.api.standalone import routing, tokens, users

CONF = conf.CONF

_INTERFACES = ('public', 'internal', 'admin')
#: (type, name, path below the site's URL)
SERVICES = (
    ('compute', 'nova', '/v2.1'),
    ('identity', 'keystone', '/identity/v3'),
    ('image', 'glance', '/image'),
    ('network', 'neutron', '/network'),
    ('block-storage', 'cinder', '/volume/v3'),
    ('volumev3', 'cinderv3', '/volume/v3'),
)


class BadCredentials(exception.Unauthorized):
    msg_fmt = 'The request you have made requires authentication.'


# Catalog -------------------------------------------------------------------------------------------------------------

def services():
    return [{'id': users.id_of('service', kind), 'type': kind, 'name': name, 'enabled': True, 'description': ''}
            for kind, name, _path in SERVICES]


def endpoints(call):
    return [{'id': users.id_of('endpoint', f'{kind} {interface}'), 'service_id': users.id_of('service', kind),
             'interface': interface, 'region': CONF.standalone.region, 'region_id': CONF.standalone.region,
             'url': call.site_url + path, 'enabled': True}
            for kind, _name, path in SERVICES for interface in _INTERFACES]


def catalog(call):
    """The services and their URLs, as they stand in a token."""
    shown = ('id', 'interface', 'region', 'region_id', 'url')
    ours = endpoints(call)
    return [{**{name: service[name] for name in ('id', 'type', 'name')},
             'endpoints': [{name: endpoint[name] for name in shown} for endpoint in ours
                           if endpoint['service_id'] == service['id']]}
            for service in services()]


def get_catalog(call):
    return {'catalog': catalog(call), 'links': {'self': f'{call.url}/v3/auth/catalog'}}


# Coming in -----------------------------------------------------------------------------------------------------------

def create_token(call):
    """POST /v3/auth/tokens: by password, by token, or by application credential."""
    request = call.object('auth')
    given = request.get('identity')
    methods = given.get('methods') if isinstance(given, dict) else None
    if not isinstance(methods, list) or not methods:
        raise exception.InvalidInput(reason='auth.identity.methods: a list is needed.')
    user, extra = None, {}
    for method in methods:
        check = _METHODS.get(method) if isinstance(method, str) else None
        if check is None:
            raise BadCredentials(f'auth.identity.methods: {method!r} is not one of {", ".join(_METHODS)}.')
        proven, more = check(_object(given, method))
        if user is not None and user.id != proven.id:
            raise BadCredentials()
        user, extra = proven, {**extra, **more}
    project = _scope(request, user, extra)
    token, _claims = tokens.authority().issue(user, project, methods, parent=extra.get('parent'),
                                             credential_id=extra.get('credential_id'), expires=extra.get('expires'))
    identity = tokens.authority().authenticate(token)
    if identity is None:  # disabled since
        raise BadCredentials()
    body = token_body(call, identity, with_catalog='nocatalog' not in call.req.GET)
    return routing.answer(body, 201, {'X-Subject-Token': token, 'Vary': 'X-Auth-Token'})


def _object(given, name):
    value = given.get(name)
    if not isinstance(value, dict):
        raise exception.InvalidInput(reason=f'auth.identity.{name}: an object is needed.')
    return value


def _named(given, find, what):
    """What is meant by {id} or {name, domain}; None if there is no such thing."""
    if not isinstance(given, dict) or not isinstance(given.get('id') or given.get('name'), str):
        raise exception.InvalidInput(reason=f'{what}: an id, or a name and a domain, is needed.')
    if given.get('id'):
        return find(given['id'])
    domain = given.get('domain') or users.DOMAIN
    if not isinstance(domain, dict) or not (domain.get('id') == users.DOMAIN['id']
                                            or str(domain.get('name', '')).lower() == users.DOMAIN['name'].lower()):
        return None
    return find(name=given['name'])


def _by_password(given):
    directory = tokens.authority().directory
    who = _object(given, 'user')
    user = _named(who, directory.find_user, 'auth.identity.password.user')
    password = who.get('password')
    if not isinstance(password, str) or len(password) > 4096:
        raise exception.InvalidInput(reason='auth.identity.password.user.password: a string is needed.')
    if not users.password_matches(password, user.password if user else None):
        raise BadCredentials()
    return user, {}


def _by_token(given):
    identity = tokens.authority().authenticate(given.get('id') if isinstance(given.get('id'), str) else None)
    if identity is None:
        raise BadCredentials()
    claims = identity['claims']
    return tokens.authority().directory.find_user(identity['user_id']), {
        'parent': claims, 'credential_id': claims.credential_id, 'project_id': claims.project_id}


def _by_application_credential(given):
    authority = tokens.authority()
    if isinstance(given.get('id'), str):
        credential = authority.credential(given['id'])
    else:
        user = _named(given.get('user'), authority.directory.find_user, 'auth.identity.application_credential.user')
        found = [one for one in authority.credentials_of(user.id) if one['name'] == given.get('name')] if user else []
        credential = authority.credential(found[0]['id']) if found else None
    secret = given.get('secret')
    if not isinstance(secret, str) or len(secret) > 4096:
        raise exception.InvalidInput(reason='auth.identity.application_credential.secret: a string is needed.')
    if not users.password_matches(secret, credential['secret'] if credential else None):
        raise BadCredentials()
    user = authority.directory.find_user(credential['user_id'])
    if user is None:
        raise BadCredentials()
    return user, {'credential_id': credential['id'], 'project_id': credential['project_id'],
                  'expires': credential['expires']}


_METHODS = {'password': _by_password, 'token': _by_token, 'application_credential': _by_application_credential}


def _scope(request, user, extra):
    """The project that the token is for, or None."""
    directory = tokens.authority().directory
    scope = request.get('scope')
    if extra.get('credential_id'):
        # Bound to its project, whatever is asked for.
        if scope is not None and (not isinstance(scope, dict) or _wanted(scope, directory) is None
                                  or _wanted(scope, directory).id != extra['project_id']):
            raise BadCredentials('scope: an application credential is for its own project only.')
        return _require_member(user, directory.find_project(extra['project_id']))
    if scope is None:
        project = directory.find_project(user.default_project) if user.default_project else None
        return project if project is not None and user.roles.get(project.id) else None
    if scope == 'unscoped' or (isinstance(scope, dict) and 'unscoped' in scope):
        return None
    if not isinstance(scope, dict):
        raise exception.InvalidInput(reason='auth.scope: an object, or "unscoped", is needed.')
    return _require_member(user, _wanted(scope, directory))


def _wanted(scope, directory):
    if 'project' not in scope:
        raise BadCredentials(f'auth.scope: only a project can be asked for here, not {", ".join(scope)}.')
    return _named(scope['project'], directory.find_project, 'auth.scope.project')


def _require_member(user, project):
    if project is None or not user.roles.get(project.id):
        raise BadCredentials('The user has no role in the project that was asked for.')
    return project


# Tokens --------------------------------------------------------------------------------------------------------------

def stamp(at):
    return at.strftime('%Y-%m-%dT%H:%M:%S.%fZ')


def token_body(call, identity, with_catalog=True):
    """The document of a token."""
    token = {
        'methods': identity['methods'],
        'user': {'id': identity['user_id'], 'name': identity['user_name'], 'domain': users.DOMAIN,
                 'password_expires_at': None},
        'audit_ids': identity['audit_ids'],
        'issued_at': stamp(identity['issued_at']),
        'expires_at': stamp(identity['expires_at']),
    }
    if identity['project_id']:
        token.update(
            is_domain=False,
            project={'id': identity['project_id'], 'name': identity['project_name'], 'domain': users.DOMAIN},
            roles=[{'id': users.id_of('role', name), 'name': name} for name in identity['roles']])
        if with_catalog:
            token['catalog'] = catalog(call)
    if identity['claims'].credential_id:
        credential = tokens.authority().credential(identity['claims'].credential_id)
        token['application_credential'] = {'id': credential['id'], 'name': credential['name'],
                                           'restricted': not credential['unrestricted']}
    return {'token': token}


def _subject(call):
    """The token that the request is about: the caller's own, or any for who serves others."""
    token = call.req.headers.get('X-Subject-Token')
    identity = tokens.authority().authenticate(token)
    if identity is None:
        raise exception.NotFound('This is not a valid token.')
    if call.identity is None or call.identity['user_id'] != identity['user_id']:
        call.require_role('admin', 'service')
    return token, identity


def show_token(call):
    token, identity = _subject(call)
    body = token_body(call, identity, with_catalog='nocatalog' not in call.req.GET)
    return routing.answer(body, 200, {'X-Subject-Token': token, 'Vary': 'X-Auth-Token'})


def revoke_token(call):
    _token, identity = _subject(call)
    tokens.authority().revoke(identity['claims'])


# Application credentials ---------------------------------------------------------------------------------------------

def _own(call, user_id):
    if call.identity is None or call.identity['user_id'] != user_id:
        call.require_role('admin')


def _credential_view(call, one, secret=None):
    shown = {
        'id': one['id'], 'name': one['name'], 'description': one['description'], 'project_id': one['project_id'],
        'user_id': one['user_id'], 'unrestricted': one['unrestricted'], 'system': None,
        'roles': [{'id': users.id_of('role', name), 'name': name, 'domain_id': None} for name in one['roles']],
        'expires_at': (time.strftime('%Y-%m-%dT%H:%M:%S.000000', time.gmtime(one['expires'])) if one['expires']
                       else None),
        'links': {'self': f'{call.url}/v3/users/{one["user_id"]}/application_credentials/{one["id"]}'},
    }
    return {**shown, 'secret': secret} if secret else shown


def list_credentials(call, user_id):
    _own(call, user_id)
    name = call.req.GET.get('name')
    found = [one for one in tokens.authority().credentials_of(user_id) if name in (None, one['name'])]
    return {'application_credentials': [_credential_view(call, one) for one in found],
            'links': {'self': call.req.url, 'next': None, 'previous': None}}


def _find_credential(call, user_id, credential_id):
    _own(call, user_id)
    for one in tokens.authority().credentials_of(user_id):
        if one['id'] == credential_id:
            return one
    raise exception.NotFound(f'Could not find application credential {credential_id}.')


def show_credential(call, user_id, credential_id):
    return {'application_credential': _credential_view(call, _find_credential(call, user_id, credential_id))}


def create_credential(call, user_id):
    if call.identity is None or call.identity['user_id'] != user_id:
        raise exception.NotAuthorized('Application credentials are made by their user.')
    if not call.identity['project_id']:
        raise exception.InvalidInput(reason='a token for a project is needed: the credential will be for that project.')
    _require_unrestricted(call)
    given = call.object('application_credential')
    name, secret = given.get('name'), given.get('secret') or tokens.random_secret()
    if not isinstance(name, str) or not 0 < len(name) <= 255 or not isinstance(secret, str):
        raise exception.InvalidInput(reason='name: a string of 1 to 255 characters is needed.')
    one = tokens.authority().add_credential(
        user_id, call.identity['project_id'], name, secret, _credential_roles(call, given.get('roles')),
        _expiry(given.get('expires_at')), str(given.get('description') or ''), given.get('unrestricted') is True)
    return {'application_credential': _credential_view(call, one, secret)}


def _require_unrestricted(call):
    credential_id = call.identity['claims'].credential_id
    if credential_id and not tokens.authority().credential(credential_id)['unrestricted']:
        raise exception.NotAuthorized('A restricted application credential can make or remove none.')


def _credential_roles(call, given):
    if not given:
        return call.identity['roles']
    names = tokens.authority().directory.roles
    wanted = [names.get(role.get('id')) or role.get('name') for role in given if isinstance(role, dict)]
    missing = [str(role) for role in wanted if role not in call.identity['roles']]
    if missing or len(wanted) != len(given):
        raise exception.InvalidInput(reason=f'roles: the token has no role {", ".join(missing)}.')
    return wanted


def _expiry(text):
    if text is None:
        return None
    try:
        at = timeutils.parse_isotime(str(text))
    except ValueError:
        raise exception.InvalidInput(reason=f'expires_at: {text!r} is not a time of ISO 8601.') from None
    if at.timestamp() <= time.time():
        raise exception.InvalidInput(reason='expires_at: this time has passed.')
    return int(at.timestamp())


def delete_credential(call, user_id, credential_id):
    one = _find_credential(call, user_id, credential_id)
    if call.identity is not None:
        _require_unrestricted(call)
    tokens.authority().remove_credential(one['id'])
