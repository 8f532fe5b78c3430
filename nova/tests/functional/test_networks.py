# SPDX-License-Identifier: Apache-2.0
"""Networks over HTTP, with the fake driver: records are kept and nothing of the host is touched."""

import sqlalchemy as sa

from nova.tests import harness

#: What a network of 10.0.0.0/29 has for servers.
FREE = {f'10.0.0.{number}' for number in range(2, 7)}


def rows(cloud, statement):
    engine = sa.create_engine(cloud.database)
    try:
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(statement))]
    finally:
        engine.dispose()


def given(cloud):
    return [row[0] for row in rows(cloud, 'SELECT address FROM fixed_ips WHERE instance_uuid IS NOT NULL ORDER BY id')]


def make(cloud, label, cidr, *more):
    cloud.manage('network', 'create', '--label', label, '--cidr', cidr, *more)


def addresses(server):
    return {label: [address['addr'] for address in found] for label, found in server['addresses'].items()}


def a_life_with_addresses(cloud):
    """Servers get addresses in all networks or those asked for, show them, and give them back."""
    admin = cloud.client()
    assert admin.boot('without', networks='auto')['addresses'] == {}
    make(cloud, 'private', '10.0.0.0/29')
    first = admin.boot('first', networks='auto')
    # Which of the free ones it is, is nobody's business: schedulers side by side go for different ones.
    (mine,) = addresses(first)['private']
    assert mine in FREE
    make(cloud, 'other', '10.0.1.0/24')
    answer = admin.call('POST', '/servers', {'server': {'name': 'x', 'flavorRef': '1', 'imageRef': harness.IMAGE_ID,
                                                        'networks': 'auto'}})
    assert answer.status_code == 409
    found = {network['label']: network['id'] for network in admin.get('/os-networks', '2.1')['networks']}
    second = admin.boot('second', networks=[{'uuid': found['other'], 'fixed_ip': '10.0.1.77'},
                                            {'uuid': found['private']}])
    (theirs,) = addresses(second)['private']
    assert theirs in FREE - {mine}
    assert addresses(second)['other'] == ['10.0.1.77']
    assert sorted(given(cloud)) == sorted([mine, theirs, '10.0.1.77'])
    for network, error in (({'uuid': found['other'], 'fixed_ip': '10.0.1.77'}, 'already in use'),
                           ({'uuid': found['other'], 'fixed_ip': '10.9.0.1'}, 'is not in 10.0.1.0/24')):
        answer = admin.call('POST', '/servers', {'server': {'name': 'x', 'flavorRef': '1', 'networks': [network],
                                                            'imageRef': harness.IMAGE_ID}})
        assert answer.status_code in {400, 409}
        assert error in answer.text
    assert admin.call('DELETE', f'/os-networks/{found["private"]}', version='2.1').status_code == 409
    for server in (first, second):
        assert admin.call('DELETE', f'/servers/{server["id"]}').status_code == 204
        admin.gone(server['id'])
    assert given(cloud) == []
    assert rows(cloud, 'SELECT * FROM virtual_interfaces') == []
    assert rows(cloud, 'SELECT * FROM security_group_instance_association') == []
    for label in found.values():
        assert admin.call('DELETE', f'/os-networks/{label}', version='2.1').status_code == 202


def test_addresses_in_one_process():
    with harness.Cloud.all_in_one() as cloud:
        a_life_with_addresses(cloud)


def test_the_servers_of_one_request_get_an_address_each():
    with harness.Cloud.all_in_one() as cloud:
        make(cloud, 'private', '10.0.0.0/24')
        admin = cloud.client()
        server = admin.boot('many', wait=None, networks='auto', min_count=5, max_count=5)
        for found in admin.get('/servers')['servers']:
            admin.wait(found['id'], 'ACTIVE')
        assert len(given(cloud)) == 5
        for found in admin.get('/servers')['servers']:
            admin.call('DELETE', f'/servers/{found["id"]}')
        admin.gone(server['id'])
        harness.wait_for(lambda: not given(cloud), 'addresses given back')
