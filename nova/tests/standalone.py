# SPDX-License-Identifier: Apache-2.0
"""Sites without Keystone, for stock clients: front doors, users in a file, and a `clouds.yaml` that has a cloud a user.

    with standalone.site({'demo': standalone.user('member')}) as cloud, standalone.acting_as(cloud, 'demo'):
        openstack.connect().compute.create_server(...)
"""

import contextlib
import functools

import pytest
import requests
import yaml

from nova.api.standalone import users
from nova.tests import harness

#: Of every user.
PASSWORD = 'correct horse'


def user(*roles, project='demo', **more):
    """What the file says of a user, but for the password.

    :param roles: those in `project`, which is the default one.
    :param more: overrides, and further properties.
    """
    return {'roles': {project: list(roles)}, 'default_project': project, **more}


@contextlib.contextmanager
def site(people, settings=None, computes=1):
    """A running site; `cloud.url` is where its doors are.  Raises AssertionError if its logs have tracebacks.

    :param people: {name: what `user` returns}.
    :param settings: on top of what such a site needs, as `harness.Cloud` takes them.
    :param computes: how many hosts must be up.
    """
    cloud = harness.Cloud.all_in_one(settings)
    cloud.url = f'http://127.0.0.1:{cloud.port}'
    cloud.users, cloud.clouds = cloud.directory / 'users.yaml', cloud.directory / 'clouds.yaml'
    cloud.settings = {**cloud.settings, 'api': {'auth_strategy': 'standalone'},
                      'standalone': {'users_file': cloud.users}}
    # Hundreds of logins, and nobody to guess it: the cheapest hash.  The usual one takes a quarter of a second each.
    secret = users.hash_password(PASSWORD, rounds=4)
    cloud.users.write_text(yaml.safe_dump({
        'projects': {project: {} for each in people.values() for project in each['roles']},
        'users': {name: {**each, 'password': secret} for name, each in people.items()}}))
    cloud.clouds.write_text(yaml.safe_dump({'clouds': {
        name: {'auth': credentials(cloud, name, each['default_project']), 'region_name': 'RegionOne'}
        for name, each in people.items()}}))
    # The harness's own looks with a token that such a site does not know.
    cloud.wait_ready = functools.partial(_wait_ready, cloud, computes)
    with cloud:
        yield cloud
        assert not cloud.tracebacks()


def credentials(cloud, name, project='demo'):
    """What a client needs to get a token."""
    return {'auth_url': f'{cloud.url}/identity/v3', 'username': name, 'password': PASSWORD,
            'project_name': project, 'user_domain_name': 'Default', 'project_domain_name': 'Default'}


def _wait_ready(cloud, computes):
    def are_up():
        # From the records: a nova-manage for each look takes a second of the processor.
        return len(cloud.sql('SELECT n.id FROM compute_nodes n JOIN services s ON s.host = n.host '
                             'WHERE s."binary" = \'nova-compute\' AND s.last_seen_up IS NOT NULL')) >= computes
    harness.wait_for(are_up, f'{computes} hosts up')

    def answers():
        with contextlib.suppress(requests.ConnectionError):
            return requests.get(cloud.url, timeout=30).ok
    harness.wait_for(answers, 'the API')


@contextlib.contextmanager
def acting_as(cloud, name, **more):
    """Within it, clients of this process and those that it starts are this user's.

    :param more: further environment variables.
    """
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in {'OS_CLIENT_CONFIG_FILE': str(cloud.clouds), 'OS_CLOUD': name,
                                'PYTHONWARNINGS': 'ignore', **more}.items():
            patch.setenv(variable, value)
        yield
