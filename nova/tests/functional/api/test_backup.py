# SPDX-License-Identifier: Apache-2.0
"""createBackup: which backups stay, and what is refused."""

import pytest

from nova.tests.functional import sites

site = sites.own()


@pytest.fixture
def server(site, member):
    with member.booted('subject') as made:
        yield made
    assert site.leaks() == []
    for one in site.client().get('/images', '2.1')['images']:
        if one['name'] != 'guest':
            assert site.client().call('DELETE', f'/images/{one["id"]}', version='2.1').status_code == 204


def back_up(client, server, name, rotation, backup_type='daily', version=None, **more):
    answer = client.call('POST', f'/servers/{server["id"]}/action', {'createBackup': {
        'name': name, 'backup_type': backup_type, 'rotation': rotation, **more}}, version=version)
    assert answer.status_code == 202, answer.text
    client.wait(server['id'], 'ACTIVE')
    return answer


def names(client):
    return sorted(one['name'] for one in client.get('/images', '2.1')['images'] if one['name'] != 'guest')


def test_the_newest_of_a_type_stay_and_other_images_all(member, server):
    member.action(server['id'], 'createImage', {'name': 'image'})
    member.wait(server['id'], 'ACTIVE')
    back_up(member, server, 'weekly-0', 1, 'weekly')
    other = member.boot('other')
    back_up(member, other, 'of-another', 1)
    for number in range(3):
        back_up(member, server, f'daily-{number}', 2)
    # Images know the second of their making: of those of one second, the newest stays and one of the others.
    kept = names(member)
    assert kept[1:] == ['daily-2', 'image', 'of-another', 'weekly-0']
    assert kept[0] in ('daily-0', 'daily-1')
    back_up(member, server, 'daily-3', '1')
    assert names(member) == ['daily-3', 'image', 'of-another', 'weekly-0']
    member.delete(other['id'])


def test_what_a_backup_is(member, server):
    image_id = back_up(member, server, 'one', 1, metadata={'colour': 'red', 'backup_type': 'mine'}).json()['image_id']
    found = member.get(f'/images/{image_id}', '2.1')['image']
    assert (found['status'], found['server']['id']) == ('ACTIVE', server['id'])
    assert {key: found['metadata'][key] for key in ('image_type', 'backup_type', 'colour')} == {
        'image_type': 'backup', 'backup_type': 'daily', 'colour': 'red'}


@pytest.mark.parametrize('version, rotation, body, located', [
    ('2.44', 1, False, True), ('2.44', 0, False, False), ('2.45', 1, True, False), ('2.45', 0, False, False)])
def test_the_answer_by_version(member, server, version, rotation, body, located):
    answer = back_up(member, server, 'one', rotation, version=version)
    assert ('/images/' in answer.headers.get('Location', '')) is located
    assert bool(answer.content) is body
    if body:
        assert set(answer.json()) == {'image_id'}
    assert names(member) == (['one'] if rotation else [])


def test_a_backup_that_is_protected_stays(site, member, server):
    old = back_up(member, server, 'old', 1).json()['image_id']
    store = site.directory / 'state' / 'images' / f'{old}.json'
    text = store.read_text()
    assert '"protected": false' in text
    store.write_text(text.replace('"protected": false', '"protected": true'))
    back_up(member, server, 'new', 1)
    assert names(member) == ['new', 'old']
    action = site.client().get(f'/servers/{server["id"]}/os-instance-actions')['instanceActions'][0]
    assert (action['action'], action['message']) == ('createBackup', None)
    store.write_text(text)


@pytest.mark.parametrize('value, says', [
    ({'backup_type': 'd', 'rotation': 1}, 'name'), ({'name': 'x', 'rotation': 1}, 'backup_type'),
    ({'name': 'x', 'backup_type': 'd'}, 'rotation'), ({'name': 'x', 'backup_type': 'd', 'rotation': -1}, 'rotation'),
    ({'name': 'x', 'backup_type': 'd', 'rotation': 'many'}, 'rotation'),
    ({'name': 'x', 'backup_type': '', 'rotation': 1}, 'backup_type'),
    ({'name': 'x', 'backup_type': 'd', 'rotation': 1.5}, 'rotation'),
    ({'name': 'x', 'backup_type': 'd', 'rotation': 1, 'metadata': 'x'}, 'metadata')])
def test_bad_bodies(member, server, value, says):
    answer = member.call('POST', f'/servers/{server["id"]}/action', {'createBackup': value})
    assert answer.status_code == 400
    assert says in answer.json()['badRequest']['message']
    assert names(member) == []


@pytest.mark.parametrize('token, status', [('mallory:elsewhere', 404), ('rita:project-a:reader', 403)])
def test_who_may_not(site, server, token, status):
    answer = site.client(token).call('POST', f'/servers/{server["id"]}/action', {'createBackup': {
        'name': 'x', 'backup_type': 'd', 'rotation': 1}})
    assert answer.status_code == status
