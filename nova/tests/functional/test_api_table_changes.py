# SPDX-License-Identifier: Apache-2.0
"""What is made, changed and removed beside servers, at the versions that change it: statuses and fields of answers.

A story is a list of steps, told once at each of its versions.
"""

import typing

import pytest

from nova.tests import harness
from nova.tests.functional import sites
from nova.tests.functional.test_api_table import (
    AGGREGATE,
    CLASS,
    FLAVOR,
    GROUP,
    KEYPAIR,
    NETWORK,
    PUBLIC_KEY,
    QUOTAS,
    SERVICE,
    Fields,
    within,
)

UNKNOWN = '22222222-2222-2222-2222-222222222222'


class Step(typing.NamedTuple):
    """One request.

    :param path: with names of what earlier steps saved, in braces.
    :param status: or {minor version since which: status}.
    :param steps: the way to the object in the answer that has these fields.
    :param save: {name: the way to its value in the answer}.
    :param since: the version from which on it is made.
    """

    method: str
    path: str
    body: object = None
    status: object = 200
    steps: str = ''
    fields: Fields | None = None
    save: dict = {}
    since: int = 1
    until: int = 104


def fill(value, names):
    """The value with names in braces filled in; a text that is one name is the value itself."""
    if isinstance(value, dict):
        return {fill(key, names): fill(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [fill(item, names) for item in value]
    if isinstance(value, str) and value[:1] == '{' and value[1:-1] in names:
        return names[value[1:-1]]
    return value


def tell(client, story, minor, names):
    """Make the requests of a story at a version; `names` gets what the answers are to be remembered for."""
    for step in story:
        if not step.since <= minor <= step.until:
            continue
        path = step.path.format(**names)
        answer = client.call(step.method, path, fill(step.body, names), version=f'2.{minor}')
        status = step.status
        if isinstance(status, dict):
            status = next(code for since, code in reversed(status.items()) if since <= minor)
        where = f'{step.method} {path} at 2.{minor}'
        assert answer.status_code == status, f'{where}: {answer.status_code} {answer.text}'
        if step.fields:
            step.fields.check(within(answer.json(), step.steps), minor, where)
        names.update({name: within(answer.json(), steps) for name, steps in step.save.items()})


def without(fields, *names):
    found = Fields('')
    found.rows = [row for row in fields.rows if row[0] not in names]
    return found


_GROUP = {'server_group': {'name': 'g', 'policies': ['affinity']}}
_NEW_GROUP = {'server_group': {'name': 'g', 'policy': 'anti-affinity', 'rules': {'max_server_per_host': 2}}}
_CHANGED = {'aggregate': {'name': 'changed'}}
_WHERE = {'host': 'third', 'binary': 'nova-compute'}
_SERVICE = Fields('binary host status')
DOMAIN, ENTRY = Fields('domain scope project availability_zone'), Fields('ip id type domain name')
MADE_KEY = without(KEYPAIR, 'id', 'created_at', 'updated_at', 'deleted', 'deleted_at')

#: story -> (versions at which it is told, steps)
STORIES = {
    'key pairs': ((1, 2, 9, 10, 91, 92, 104), [
        Step('POST', '/os-keypairs', {'keypair': {'name': 'made', 'public_key': PUBLIC_KEY}}, {1: 200, 2: 201},
             'keypair', MADE_KEY),
        Step('DELETE', '/os-keypairs/made', status={1: 202, 2: 204})]),
    'generated key pairs': ((1, 2, 91), [
        Step('POST', '/os-keypairs', {'keypair': {'name': 'made'}}, {1: 200, 2: 201}, 'keypair',
             MADE_KEY + Fields('private_key')),
        Step('DELETE', '/os-keypairs/made', status={1: 202, 2: 204})]),
    "another user's key pairs": ((10, 104), [
        Step('POST', '/os-keypairs', {'keypair': {'name': 'made', 'public_key': PUBLIC_KEY, 'user_id': 'somebody'}},
             201, 'keypair', MADE_KEY),
        Step('GET', '/os-keypairs?user_id=somebody', steps='keypairs 0 keypair',
             fields=Fields('name public_key fingerprint type')),
        Step('DELETE', '/os-keypairs/made?user_id=somebody', status=204)]),
    'server groups': ((1, 12, 13, 14, 15, 63, 64, 104), [
        Step('POST', '/os-server-groups', _GROUP, 200, 'server_group', GROUP, {'group': 'server_group id'}, until=63),
        Step('POST', '/os-server-groups', _NEW_GROUP, 200, 'server_group', GROUP, {'group': 'server_group id'},
             since=64),
        Step('POST', '/os-server-groups', _NEW_GROUP, 400, until=63),
        Step('POST', '/os-server-groups', {'server_group': {'name': 'g', 'policies': ['soft-affinity']}}, 400,
             until=14),
        Step('DELETE', '/os-server-groups/{group}', status=204)]),
    'aggregates': ((1, 40, 41, 104), [
        Step('POST', '/os-aggregates', {'aggregate': {'name': 'made', 'availability_zone': 'here'}}, 200, 'aggregate',
             without(AGGREGATE, 'hosts', 'metadata'), {'aggregate': 'aggregate id'}),
        Step('POST', '/os-aggregates', {'aggregate': {'name': 'taken'}}, 200, save={'other': 'aggregate id'}),
        Step('PUT', '/os-aggregates/{aggregate}', {'aggregate': {'name': 'taken'}}, 409),
        Step('DELETE', '/os-aggregates/{other}'),
        Step('PUT', '/os-aggregates/{aggregate}', _CHANGED, 200, 'aggregate', AGGREGATE),
        Step('POST', '/os-aggregates/{aggregate}/action', {'add_host': {'host': 'third'}}, 200, 'aggregate', AGGREGATE),
        Step('POST', '/os-aggregates/{aggregate}/action', {'set_metadata': {'metadata': {'a': 'b'}}}, 200, 'aggregate',
             AGGREGATE),
        Step('POST', '/os-aggregates/{aggregate}/action', {'remove_host': {'host': 'third'}}, 200, 'aggregate',
             AGGREGATE),
        Step('DELETE', '/os-aggregates/{aggregate}')]),
    'flavors': ((1, 54, 55, 60, 61, 74, 75, 101, 102, 104), [
        Step('POST', '/flavors', {'flavor': {'name': 'made', 'id': 'made', 'ram': 64, 'vcpus': 1, 'disk': 1,
                                             'os-flavor-access:is_public': False}}, 200, 'flavor', FLAVOR),
        Step('PUT', '/flavors/made', {'flavor': {'description': 'better'}}, 200, 'flavor', FLAVOR, since=55),
        Step('PUT', '/flavors/made', {'flavor': {'description': 'better'}}, 404, until=54),
        Step('DELETE', '/flavors/made', status=202)]),
    'rxtx_factor': ((1, 101, 102, 104), [
        Step('POST', '/flavors', {'flavor': {'name': 'made', 'id': 'made', 'ram': 64, 'vcpus': 1, 'disk': 1,
                                             'rxtx_factor': 2.0}}, {1: 200, 102: 400}),
        Step('DELETE', '/flavors/made', status={1: 202, 102: 404})]),
    'extra specs and access': ((1, 6, 7, 85, 86, 104), [
        Step('POST', '/flavors', {'flavor': {'name': 'made', 'id': 'made', 'ram': 64, 'vcpus': 1, 'disk': 1,
                                             'os-flavor-access:is_public': False}}),
        Step('POST', '/flavors/made/os-extra_specs', {'extra_specs': {'hw:numa_nodes': '1'}}, 200, 'extra_specs',
             Fields('hw:numa_nodes')),
        Step('PUT', '/flavors/made/os-extra_specs/hw:numa_nodes', {'hw:numa_nodes': '2'}, 200, '',
             Fields('hw:numa_nodes')),
        Step('PUT', '/flavors/made/os-extra_specs/hw:numa_nodes', {'hw:numa_nodes': 'two'}, {1: 200, 86: 400}),
        Step('DELETE', '/flavors/made/os-extra_specs/hw:numa_nodes'),
        Step('POST', '/flavors/made/action', {'addTenantAccess': {'tenant': 'p'}}, 200, 'flavor_access 0',
             Fields('flavor_id tenant_id')),
        Step('POST', '/flavors/made/action', {'removeTenantAccess': {'tenant': 'p'}}, 200, '',
             Fields('flavor_access')),
        Step('DELETE', '/flavors/made', status=202)]),
    'access to what all have': ((1, 6, 7, 104), [
        Step('POST', '/flavors/1/action', {'addTenantAccess': {'tenant': 'p'}}, {1: 200, 7: 409}),
        Step('POST', '/flavors/1/action', {'removeTenantAccess': {'tenant': 'p'}}, {1: 200, 7: 409}, until=6)]),
    'networks': ((1, 35), [
        Step('POST', '/os-networks', {'network': {'label': 'made', 'cidr': '10.8.0.0/28'}}, 200, 'network', NETWORK,
             {'network': 'network id'}),
        Step('POST', '/os-networks', {'network': {'label': 'again', 'cidr': '10.8.0.0/28'}}, 409),
        Step('DELETE', '/os-networks/{network}', status=202)]),
    'quota sets': ((1, 35, 36, 56, 57, 104), [
        Step('PUT', '/os-quota-sets/made', {'quota_set': {'cores': 7}}, 200, 'quota_set', without(QUOTAS, 'id')),
        Step('PUT', '/os-quota-sets/made', {'quota_set': {'floating_ips': 7}}, {1: 200, 36: 400}),
        Step('PUT', '/os-quota-sets/made', {'quota_set': {'injected_files': 7}}, {1: 200, 57: 400}),
        Step('DELETE', '/os-quota-sets/made', status=202)]),
    'quota class sets': ((1, 49, 50, 56, 57, 104), [
        Step('PUT', '/os-quota-class-sets/made', {'quota_class_set': {'cores': 7}}, 200, 'quota_class_set',
             without(CLASS, 'id'))]),
    'services by name': ((1, 10, 11, 52), [
        Step('PUT', '/os-services/disable', _WHERE, 200, 'service', _SERVICE),
        Step('PUT', '/os-services/disable-log-reason', {**_WHERE, 'disabled_reason': 'rest'}, 200, 'service',
             _SERVICE + Fields('disabled_reason')),
        Step('PUT', '/os-services/enable', _WHERE, 200, 'service', _SERVICE),
        Step('PUT', '/os-services/force-down', {**_WHERE, 'forced_down': True}, {1: 404, 11: 200}),
        Step('PUT', '/os-services/force-down', {**_WHERE, 'forced_down': False}, 200, 'service',
             Fields('binary host forced_down'), since=11)]),
    'services by id': ((53, 68, 69, 104), [
        Step('GET', '/os-services?host=third', save={'service': 'services 0 id'}),
        Step('PUT', '/os-services/{service}', {'status': 'disabled', 'disabled_reason': 'rest'}, 200, 'service',
             SERVICE),
        Step('PUT', '/os-services/{service}', {'status': 'enabled'}, 200, 'service', SERVICE)]),
    'external events': ((1, 51, 76, 82, 93, 104), [
        Step('POST', '/os-server-external-events', {'events': [{'name': name, 'server_uuid': '{server}', 'tag': tag}]},
             {1: 400, since: 200} if since > 1 else 200, 'events 0', Fields('name server_uuid status tag code'),
             since=since)
        for since, name, tag in ((1, 'network-changed', UNKNOWN), (51, 'volume-extended', UNKNOWN),
                                 (76, 'power-update', 'POWER_ON'), (82, 'accelerator-request-bound', UNKNOWN),
                                 (93, 'volume-reimaged', UNKNOWN))] + [
        Step('POST', '/os-server-external-events', {'events': [{'name': 'network-changed', 'server_uuid': UNKNOWN}]},
             207, 'events 0', Fields('name server_uuid status code'))]),
    'names of floating addresses': ((1, 35), [
        Step('PUT', '/os-floating-ip-dns/d', {'domain_entry': {'scope': 'public'}}, 200, 'domain_entry', DOMAIN),
        Step('GET', '/os-floating-ip-dns', None, 200, 'domain_entries 0', DOMAIN),
        Step('PUT', '/os-floating-ip-dns/d/entries/e', {'dns_entry': {'ip': '10.0.0.1', 'dns_type': 'A'}}, 200,
             'dns_entry', ENTRY),
        Step('GET', '/os-floating-ip-dns/d/entries/e', None, 200, 'dns_entry', ENTRY),
        Step('GET', '/os-floating-ip-dns/d/entries/10.0.0.1', None, 200, 'dns_entries 0', ENTRY),
        Step('DELETE', '/os-floating-ip-dns/d/entries/e', status=202),
        Step('DELETE', '/os-floating-ip-dns/d', status=202)]),
}


site = sites.own({'fake': {'more_hosts': 'second,third'}}, computes=3)


@pytest.fixture(scope='module')
def server(site):
    return site.client().boot('guest', availability_zone='nova:test')['id']


@pytest.mark.parametrize('story, minor', [(name, minor) for name, (versions, _steps) in STORIES.items()
                                          for minor in versions])
def test_stories(site, server, story, minor):
    tell(site.client(), STORIES[story][1], minor, {'server': server})


@pytest.mark.parametrize('version', ['2.1', '2.35'])
def test_who_answers_to_ping(site, server, version):
    """200, or 503 where the program is not installed."""
    answer = site.client().call('GET', f'/os-fping/{server}', version=version)
    assert answer.status_code in {200, 503}
    assert answer.status_code == 503 or set(answer.json()['server']) == {'id', 'project_id', 'alive'}


@pytest.mark.parametrize('version', ['2.1', '2.52', '2.53', '2.104'])
def test_services_are_deleted(site, version):
    """That of a host without servers; the host comes back by itself with a new one."""
    client = site.client()

    def of_host():
        return client.get('/os-services?host=second&binary=nova-compute', version)['services']
    harness.wait_for(of_host, 'the service is there')
    (service,) = of_host()
    for status in (204, 404):
        assert client.call('DELETE', f'/os-services/{service["id"]}', version=version).status_code == status
