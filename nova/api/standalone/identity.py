# SPDX-License-Identifier: Apache-2.0
"""/identity/v3: projects, users and roles, read-only out of the users file; tokens are in `auth`."""

from nova import exception
from nova.api.standalone import auth, routing, tokens, users
from nova.api.standalone.routing import Route

_UPDATED = '2020-04-07T00:00:00Z'
_MEDIA = [{'base': 'application/json', 'type': 'application/vnd.openstack.identity-v3+json'}]


def _fault(status, title, message, name):
    return {'error': {'code': status, 'title': title, 'message': message}}


def _directory():
    return tokens.authority().directory


# Versions ------------------------------------------------------------------------------------------------------------

def _version(call):
    return {'id': 'v3.14', 'status': 'stable', 'updated': _UPDATED, 'media-types': _MEDIA,
            'links': [{'rel': 'self', 'href': f'{call.url}/v3/'}]}


def versions(call):
    return {'versions': {'values': [_version(call)]}}


def version(call):
    return {'version': _version(call)}


# Views ---------------------------------------------------------------------------------------------------------------

def _linked(call, collection, one):
    return {**one, 'links': {'self': f'{call.url}/v3/{collection}/{one["id"]}'}}


def _project_view(project):
    return {'id': project.id, 'name': project.name, 'description': project.description, 'enabled': project.enabled,
            'domain_id': users.DOMAIN['id'], 'parent_id': users.DOMAIN['id'], 'is_domain': False, 'tags': [],
            'options': {}}


def _user_view(user):
    view = {'id': user.id, 'name': user.name, 'description': user.description, 'enabled': user.enabled,
            'domain_id': users.DOMAIN['id'], 'password_expires_at': None, 'options': {},
            'default_project_id': user.default_project}
    return {**view, 'email': user.email} if user.email else view


def _role_view(role_id, name):
    return {'id': role_id, 'name': name, 'domain_id': None, 'description': None, 'options': {}}


def _domain_view():
    return {**users.DOMAIN, 'enabled': True, 'description': '', 'options': {}, 'tags': []}


def _region_view():
    return {'id': auth.CONF.standalone.region, 'description': '', 'parent_region_id': None}


def _listed(call, collection, items):
    """The items that the query's plain filters leave."""
    wanted = {name: value for name, value in call.req.GET.items()
              if name in ('name', 'enabled', 'type', 'service_id', 'interface', 'region_id', 'domain_id')}
    items = [one for one in items
             if all(name not in one or str(one[name]).lower() == value.lower() for name, value in wanted.items())]
    return {collection: [_linked(call, collection, one) for one in items],
            'links': {'self': call.req.url, 'next': None, 'previous': None}}


def _shown(call, collection, items, wanted_id):
    for one in items:
        if one['id'] == wanted_id:
            return {collection.removesuffix('s'): _linked(call, collection, one)}
    raise exception.NotFound(f'Could not find {collection.removesuffix("s")}: {wanted_id}.')


# Resources -----------------------------------------------------------------------------------------------------------

def list_projects(call):
    call.require_role('admin')
    return _listed(call, 'projects', map(_project_view, _directory().projects.values()))


def show_project(call, project_id):
    user = _directory().find_user(call.context.user_id)
    if user is None or project_id not in user.roles:
        call.require_role('admin')
    return _shown(call, 'projects', map(_project_view, _directory().projects.values()), project_id)


def list_own_projects(call):
    user = _directory().find_user(call.context.user_id)
    return _listed(call, 'projects', map(_project_view, _directory().projects_of(user) if user else ()))


def _require_self(call, user_id):
    if user_id != call.context.user_id:
        call.require_role('admin')


def list_projects_of_user(call, user_id):
    _require_self(call, user_id)
    user = _directory().find_user(user_id)
    if user is None:
        raise exception.NotFound(f'Could not find user: {user_id}.')
    return _listed(call, 'projects', map(_project_view, _directory().projects_of(user)))


def list_users(call):
    call.require_role('admin')
    return _listed(call, 'users', map(_user_view, _directory().users.values()))


def show_user(call, user_id):
    _require_self(call, user_id)
    return _shown(call, 'users', map(_user_view, _directory().users.values()), user_id)


def _nothing(collection):
    def handler(call, **ids):
        return _listed(call, collection, ())
    return handler


def list_roles(call):
    return _listed(call, 'roles', [_role_view(*item) for item in _directory().roles.items()])


def show_role(call, role_id):
    return _shown(call, 'roles', [_role_view(*item) for item in _directory().roles.items()], role_id)


def list_assignments(call):
    """Who has which role where.  Filters: user.id, role.id, scope.project.id; names with include_names."""
    wanted = call.req.GET
    if wanted.get('user.id') != call.context.user_id:
        call.require_role('admin')
    with_names = 'include_names' in wanted and wanted['include_names'].lower() not in ('false', '0')
    found = []
    for user in _directory().users.values():
        for project_id, roles in user.roles.items():
            for role in roles:
                role_id = users.id_of('role', role)
                if (wanted.get('user.id', user.id), wanted.get('role.id', role_id),
                        wanted.get('scope.project.id', project_id)) == (user.id, role_id, project_id):
                    found.append((user, _directory().projects[project_id], role_id, role))

    def named(one_id, name, domain=None):
        return {'id': one_id, **({'name': name, **({'domain': domain} if domain else {})} if with_names else {})}
    return {
        'role_assignments': [{
            'user': named(user.id, user.name, users.DOMAIN), 'role': named(role_id, role),
            'scope': {'project': named(project.id, project.name, users.DOMAIN)},
            'links': {'assignment': f'{call.url}/v3/projects/{project.id}/users/{user.id}/roles/{role_id}'},
        } for user, project, role_id, role in found],
        'links': {'self': call.req.url, 'next': None, 'previous': None}}


def _collection(name, items):
    """(list, show) of something that everybody may see: `items(call)` gives all."""
    def list_all(call):
        return _listed(call, name, items(call))

    def show(call, one_id):
        return _shown(call, name, items(call), one_id)
    return list_all, show


list_domains, show_domain = _collection('domains', lambda call: [_domain_view()])
list_services, show_service = _collection('services', lambda call: auth.services())
list_endpoints, show_endpoint = _collection('endpoints', auth.endpoints)
list_regions, show_region = _collection('regions', lambda call: [_region_view()])


def kept_in_file(call, **ids):
    raise exception.NotAuthorized('Users, projects and roles are kept in the users file of this site; they are not '
                                  'changed over the API.')


def _routes():
    yield Route('GET', '/?', versions, 300, public=True)
    yield Route('GET', '/v3', version, public=True)
    yield Route('POST', '/v3/auth/tokens', auth.create_token, 201, public=True)
    yield Route('GET', '/v3/auth/tokens', auth.show_token)
    yield Route('DELETE', '/v3/auth/tokens', auth.revoke_token, 204)
    yield Route('GET', '/v3/auth/catalog', auth.get_catalog)
    yield Route('GET', '/v3/auth/projects', list_own_projects)
    yield Route('GET', '/v3/auth/domains', _nothing('domains'))
    yield Route('GET', '/v3/auth/system', _nothing('system'))
    yield Route('GET', '/v3/projects', list_projects)
    yield Route('GET', '/v3/projects/{project_id}', show_project)
    yield Route('GET', '/v3/users', list_users)
    yield Route('GET', '/v3/users/{user_id}', show_user)
    yield Route('GET', '/v3/users/{user_id}/projects', list_projects_of_user)
    yield Route('GET', '/v3/users/{user_id}/groups', _nothing('groups'))
    yield Route('GET', '/v3/groups', _nothing('groups'))
    yield Route('GET', '/v3/roles', list_roles)
    yield Route('GET', '/v3/roles/{role_id}', show_role)
    yield Route('GET', '/v3/role_assignments', list_assignments)
    for name, listing, showing in (('domains', list_domains, show_domain), ('services', list_services, show_service),
                                   ('endpoints', list_endpoints, show_endpoint),
                                   ('regions', list_regions, show_region)):
        yield Route('GET', f'/v3/{name}', listing)
        yield Route('GET', f'/v3/{name}/{{one_id}}', showing)
    credentials = '/v3/users/{user_id}/application_credentials'
    yield Route('GET', credentials, auth.list_credentials)
    yield Route('POST', credentials, auth.create_credential, 201)
    yield Route('GET', f'{credentials}/{{credential_id}}', auth.show_credential)
    yield Route('DELETE', f'{credentials}/{{credential_id}}', auth.delete_credential, 204)
    for name in ('users', 'projects', 'roles', 'domains', 'services', 'endpoints', 'regions', 'groups'):
        yield Route('POST', f'/v3/{name}', kept_in_file)
        yield Route('PATCH', f'/v3/{name}/{{one_id}}', kept_in_file)
        yield Route('DELETE', f'/v3/{name}/{{one_id}}', kept_in_file)
    yield Route('POST', '/v3/users/{user_id}/password', kept_in_file)


def application():
    """The WSGI application of this door."""
    return routing.Door(list(_routes()), _fault)
