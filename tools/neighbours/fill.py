# SPDX-License-Identifier: Apache-2.0
"""Projects, users, roles and catalog: fill.py DIR KEYSTONE_URL GLANCE_URL CINDER_URL COMPUTE_URL PASSWORD.

Writes DIR/clouds.yaml and DIR/nova.conf.  May be repeated.
"""

import os
import pathlib
import sys

from keystoneauth1 import session
from keystoneauth1.identity import v3

ROLES = ('service', 'member', 'reader')
PROJECTS = ('service', 'demo', 'other')
#: User -> (project, roles).
USERS = {'nova': ('service', ('admin', 'service')), 'glance': ('service', ('admin', 'service')),
         'cinder': ('service', ('admin', 'service')),
         'member': ('demo', ('member',)), 'reader': ('demo', ('reader',)), 'other': ('other', ('member',))}
CLOUD = '''  neighbours-{user}:
    auth:
      auth_url: {url}/v3
      username: {user}
      password: {password}
      project_name: {project}
      user_domain_name: Default
      project_domain_name: Default
    region_name: RegionOne
'''
CREDENTIALS = '''auth_url = {url}/v3
auth_type = password
username = nova
password = {password}
project_name = service
user_domain_name = Default
project_domain_name = Default
'''


def ensure(client, kind, name, **more):
    """The id of the thing of this name; made if it is not there."""
    found = client.get(f'/{kind}s', endpoint_filter=FILTER, params={'name': name}).json()[f'{kind}s']
    if not found:
        made = client.post(f'/{kind}s', endpoint_filter=FILTER, json={kind: {'name': name, **more}})
        found = [made.json()[kind]]
    return found[0]['id']


def service(client, kind, name, url):
    """A service of the catalog, with one endpoint for each interface."""
    service_id = ensure(client, 'service', name, type=kind)
    there = client.get('/endpoints', endpoint_filter=FILTER, params={'service_id': service_id}).json()['endpoints']
    for interface in {'public', 'internal', 'admin'} - {endpoint['interface'] for endpoint in there}:
        client.post('/endpoints', endpoint_filter=FILTER, json={'endpoint': {
            'service_id': service_id, 'interface': interface, 'url': url, 'region_id': 'RegionOne'}})


FILTER = {'service_type': 'identity', 'interface': 'public'}


def main():
    directory, keystone, glance, cinder, compute, password = sys.argv[1:]
    directory = pathlib.Path(directory)
    client = session.Session(auth=v3.Password(
        f'{keystone}/v3', username='admin', password=password, project_name='admin', user_domain_id='default',
        project_domain_id='default'))
    roles = {name: ensure(client, 'role', name) for name in ROLES}
    roles['admin'] = ensure(client, 'role', 'admin')
    projects = {name: ensure(client, 'project', name, domain_id='default') for name in PROJECTS}
    for user, (project, names) in USERS.items():
        user_id = ensure(client, 'user', user, password=password, domain_id='default')
        for role in names:
            client.put(f'/projects/{projects[project]}/users/{user_id}/roles/{roles[role]}', endpoint_filter=FILTER)
    service(client, 'image', 'glance', glance)
    service(client, 'compute', 'nova', compute)
    service(client, 'block-storage', 'cinder', f'{cinder}/v3')
    os.umask(0o077)
    (directory / 'clouds.yaml').write_text('clouds:\n' + ''.join(
        CLOUD.format(user=user, project=project, url=keystone, password=password)
        for user, project in [('admin', 'admin'), *((user, row[0]) for user, row in USERS.items())]))
    secrets = CREDENTIALS.format(url=keystone, password=password)
    (directory / 'nova.conf').write_text(
        f'[api]\nauth_strategy = keystone\n\n[keystone_authtoken]\nwww_authenticate_uri = {keystone}\n{secrets}\n'
        f'[image]\nbackend = glance\n\n[glance]\nendpoint_override = {glance}\n{secrets}\n'
        f'[volume]\nbackend = cinder\n\n[cinder]\n{secrets}')


if __name__ == '__main__':
    main()
