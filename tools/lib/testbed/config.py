# SPDX-License-Identifier: Apache-2.0
"""The files that a bed's daemons and its users read: nova.conf of each machine, users.yaml, clouds.yaml."""

import os
import pathlib
import secrets

import bcrypt
import yaml

from testbed import hosts, servers, wires

#: Faults are noticed and repaired within seconds, so that who breaks something need not wait.
_COMMON = {
    'DEFAULT': {'report_interval': 2, 'service_down_time': 12, 'order_poll_interval': 2, 'order_lease': 12,
                'janitor_interval': 2, 'update_resources_interval': 5, 'periodic_fuzzy_delay': 0,
                'rpc_response_timeout': 60, 'reserved_host_memory_mb': 256, 'multi_host': True,
                'network_sync_interval': 5,
                'shutdown_timeout': 10, 'shutdown_retry_interval': 3, 'flat_network_bridge': 'br100',
                'flat_interface': 'data0', 'public_interface': 'eth0', 'osapi_compute_workers': 2,
                'enabled_apis': 'osapi_compute'},
    'api': {'auth_strategy': 'standalone'},
    'quota': {'instances': -1, 'cores': -1, 'ram': -1},
    'vnc': {'enabled': False},
}
_DRIVERS = {
    'libvirt': {'DEFAULT': {'compute_driver': 'libvirt.LibvirtDriver'}, 'libvirt': {'virt_type': 'qemu'}},
    'fake': {'DEFAULT': {'compute_driver': 'fake.FakeDriver', 'fake_network': True}},
}
DRIVERS = tuple(_DRIVERS)
#: The API's own place in the state's `cells`; the only one where there is one cell.
TOP = 'top'
USERS = {'demo': ('demo', 'member'), 'admin': ('admin', 'admin')}
#: Hashing is slow by design; the passwords here are random and live as long as the bed.
_BCRYPT_ROUNDS = 4


def merge(*more):
    """Sections of configuration on top of each other; an option that is None is left out."""
    merged = {}
    for sections in more:
        for section, options in sections.items():
            merged.setdefault(section, {}).update(options)
    return merged


def parse(settings):
    """['section.option=value', ...] as sections.

    :raises ValueError: for one that is not of that form.
    """
    sections = {}
    for setting in settings:
        name, equals, value = setting.partition('=')
        section, dot, option = name.partition('.')
        if not (equals and dot and option):
            raise ValueError(f'--set {setting}: it has the form section.option=value')
        sections.setdefault(section, {})[option] = value
    return sections


def write(path, sections):
    """Write a configuration file; only its owner reads it, for URLs have passwords in them."""
    lines = []
    for section, options in sections.items():
        lines += [f'[{section}]', *(f'{name} = {value}' for name, value in options.items() if value is not None)]
    _private(path, '\n'.join(lines) + '\n')
    return path


def _private(path, text):
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 'w') as out:
        out.write(text)


# nova.conf -----------------------------------------------------------------------------------------------------------

def write_all(state):
    """Write the configuration of all machines of a bed."""
    for cell in state['cells']:
        write(control_file(state, cell), merge(_of_bed(state), _of_control(state), _of_cell(state, cell)))
    for name in state['hosts']:
        for service in ('nova-compute', 'nova-api-metadata'):
            write(host_file(state, name, service), merge(_of_bed(state), _of_host(state, name, service)))


def control_file(state, cell=TOP):
    return os.path.join(state['directory'], 'control', 'nova.conf' if cell == TOP else f'{cell}.conf')


def host_file(state, name, service):
    """Of all services of a host the metadata service alone may come to the database."""
    which = 'metadata.conf' if service == 'nova-api-metadata' else 'nova.conf'
    return os.path.join(state['directory'], name, which)


def _of_bed(state):
    directory = state['directory']
    sections = merge(_COMMON, _DRIVERS[state['driver']], {
        'DEFAULT': {'debug': state['debug']}, 'standalone': {'users_file': f'{directory}/users.yaml'},
        'image': {'store_path': f'{directory}/images'}})
    if state['shared']:
        sections['DEFAULT']['instances_path'] = f'{directory}/instances'
    return merge(sections, state['settings'])


def _of_control(state):
    return {'DEFAULT': {'state_path': f'{state["directory"]}/control', 'host': 'control', 'my_ip': '127.0.0.1',
                        'osapi_compute_listen': '127.0.0.1', 'osapi_compute_listen_port': state['port']}}


def _of_cell(state, cell):
    sections = {'DEFAULT': {'transport_url': transport(state, cell)}, 'database': {'connection': database(state, cell)}}
    if cell != TOP:
        sections['api_database'] = {'connection': database(state, TOP)}
        sections['DEFAULT']['host'] = f'control-{cell}'
    return sections


def _of_host(state, name, service):
    record, here = state['hosts'][name], wires.gateway(state['subnet'])
    own = {'host': name, 'my_ip': record['address'], 'state_path': str(hosts.state_path(state['directory'])),
           'metadata_listen': '0.0.0.0',
           'transport_url': servers.seen_from_host(transport(state, record['cell']), None, here)}
    sections = {'DEFAULT': own}
    if service == 'nova-api-metadata':
        for section, cell in (('database', record['cell']), ('api_database', TOP)):
            if section == 'database' or cell != record['cell']:
                sections[section] = {'connection': servers.seen_from_host(database(state, cell), state['db'], here)}
    return sections


def transport(state, cell):
    """URL of a cell's messages, as seen from this machine."""
    return servers.transport_url(state['rabbit'], state['cells'][cell])


def database(state, cell):
    """URL of a cell's tables, as seen from this machine."""
    return servers.database_url(state['database'], state['directory'], state['cells'][cell])


# Users ---------------------------------------------------------------------------------------------------------------

def write_users(state):
    """users.yaml for the service, clouds.yaml for its clients: `demo`, a member, and `admin`."""
    passwords = {user: secrets.token_urlsafe(9) for user in USERS}
    users, clouds = {}, {}
    for user, (project, role) in USERS.items():
        hashed = bcrypt.hashpw(passwords[user].encode(), bcrypt.gensalt(_BCRYPT_ROUNDS)).decode()
        roles = {project: [role], **({'demo': ['admin']} if user == 'admin' else {})}
        users[user] = {'password': hashed, 'roles': roles, 'default_project': project}
        clouds['testbed' if user == 'demo' else 'testbed-admin'] = {
            'auth': {'auth_url': f'{endpoint(state)}/identity/v3', 'username': user, 'password': passwords[user],
                     'project_name': project, 'user_domain_name': 'Default', 'project_domain_name': 'Default'},
            'region_name': 'RegionOne', 'identity_api_version': 3}
    projects = {project: {} for project, _role in USERS.values()}
    _private(f'{state["directory"]}/users.yaml', yaml.safe_dump({'projects': projects, 'users': users}))
    _private(clouds_file(state), yaml.safe_dump({'clouds': clouds}))


def clouds_file(state):
    return os.path.join(state['directory'], 'clouds.yaml')


def endpoint(state):
    return f'http://127.0.0.1:{state["port"]}'


def admin_password(state):
    """The administrator's."""
    with open(clouds_file(state)) as source:
        return yaml.safe_load(source)['clouds']['testbed-admin']['auth']['password']
