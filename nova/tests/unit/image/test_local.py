# SPDX-License-Identifier: Apache-2.0
"""The store in a directory: who sees what, content taken once, nothing left behind."""

import fcntl
import hashlib
import io
import json
import os
import threading

import pytest

from nova import exception
from nova import image as image_package
from nova.image import local

RAW = {'name': 'one', 'disk_format': 'raw', 'container_format': 'bare'}


def make(store, context, **more):
    return store.create(context, dict(RAW, **more), io.BytesIO(b'disk' * 1000))


def files(store):
    return sorted(name for name in os.listdir(store.path) if name != '.lock')


def test_an_image_with_content_is_active(store, user):
    image = make(store, user, properties={'hw_disk_bus': 'scsi'}, min_ram=64, min_disk=1)
    assert (image['status'], image['size'], image['virtual_size'], image['owner']) == ('active', 4000, 4000, 'p1')
    assert image['checksum'] == hashlib.md5(b'disk' * 1000, usedforsecurity=False).hexdigest()
    assert image['os_hash_value'] == hashlib.sha512(b'disk' * 1000).hexdigest()
    assert image['properties'] == {'hw_disk_bus': 'scsi'} and image['created_at'].tzinfo is not None
    assert files(store) == [image['id'], f'{image["id"]}.json']
    assert b''.join(store.download(user, image['id'])) == b'disk' * 1000


def test_another_process_sees_the_same(store, user):
    image = make(store, user)
    other = local.LocalStore(store.path)
    assert other.show(user, image['id']) == image
    other.update(user, image['id'], {'name': 'two'})
    assert store.show(user, image['id'])['name'] == 'two'
    other.delete(user, image['id'])
    with pytest.raises(exception.ImageNotFound):
        store.show(user, image['id'])
    assert store.list(user) == []


def test_an_image_waits_for_its_content(store, user):
    image = store.create(user, RAW)
    assert (image['status'], image['size']) == ('queued', None)
    with pytest.raises(exception.ImageNotActive):
        store.download(user, image['id'])
    assert store.upload(user, image['id'], [b'ab', b'c'])['size'] == 3
    with pytest.raises(exception.Conflict, match='content is taken once'):
        store.upload(user, image['id'], [b'ab'])


def test_formats_must_be_known_before_the_content(store, user):
    image = store.create(user, {'name': 'one'})
    with pytest.raises(exception.Conflict, match='disk_format'):
        store.upload(user, image['id'], [b'ab'])
    with pytest.raises(exception.InvalidDiskFormat, match='qcow3'):
        store.create(user, {'disk_format': 'qcow3'})
    with pytest.raises(exception.InvalidInput, match='does not go with'):
        store.create(user, {'disk_format': 'ari', 'container_format': 'aki'})


def test_refused_content_leaves_the_image_waiting(store, user, make_image):
    image = store.create(user, RAW)
    with open(make_image('disk', 'qcow2'), 'rb') as data, pytest.raises(exception.ImageUnacceptable):
        store.upload(user, image['id'], data)
    assert store.show(user, image['id'])['status'] == 'queued'
    assert files(store) == [f'{image["id"]}.json']
    with open(make_image('disk', 'qcow2'), 'rb') as data, pytest.raises(exception.ImageUnacceptable):
        store.create(user, RAW, data)
    assert files(store) == [f'{image["id"]}.json']


def test_a_connection_lost_in_the_middle_leaves_the_image_waiting(store, user):
    def broken():
        yield b'x' * 100
        raise OSError('gone')
    image = store.create(user, RAW)
    with pytest.raises(OSError, match='gone'):
        store.upload(user, image['id'], broken())
    assert store.show(user, image['id'])['status'] == 'queued'


def test_an_image_waits_again_when_nothing_of_the_lost_upload_is_left(store, user, monkeypatch):
    seen = []

    def remove(path, real=local.transfer.remove):
        seen.append((os.path.basename(path), local.LocalStore(store.path).show(user, image['id'])['status']))
        real(path)
    monkeypatch.setattr(local.transfer, 'remove', remove)
    image = store.create(user, RAW)
    with pytest.raises(exception.ImageUnacceptable):
        store.upload(user, image['id'], [b'QFI\xfb' + bytes(1000)])
    assert seen == [(f'{image["id"]}.part', 'saving')]
    assert store.show(user, image['id'])['status'] == 'queued'
    assert files(store) == [f'{image["id"]}.json']


def test_a_lost_upload_leaves_alone_who_came_after_it(store, user):
    image = store.create(user, RAW)

    def outer():
        yield b'x'
        store.delete(user, image['id'])
        store.create(user, dict(RAW, id=image['id']))
        upload = threading.Thread(target=lambda: done.append(
            local.LocalStore(store.path).upload(user, image['id'], inner())))
        upload.start()
        threads.append(upload)
        assert begun.wait(30)

    def inner():
        yield b'later'
        begun.set()
        assert lost.wait(30)
    begun, lost, threads, done = threading.Event(), threading.Event(), [], []
    with pytest.raises(exception.ImageNotFound):
        store.upload(user, image['id'], outer())
    lost.set()
    threads[0].join(30)
    assert [found['size'] for found in done] == [5]
    assert b''.join(store.download(user, image['id'])) == b'later'


def test_a_second_upload_at_the_same_time_is_refused(store, user):
    image = store.create(user, RAW)

    def slow():
        yield b'x'
        with pytest.raises(exception.Conflict, match='is saving'):
            local.LocalStore(store.path).upload(user, image['id'], [b'y'])
    assert store.upload(user, image['id'], slow())['size'] == 1


def test_an_upload_whose_process_died_is_taken_over(store, user):
    image = store.create(user, RAW)
    sidecar = os.path.join(store.path, f'{image["id"]}.json')
    with open(sidecar) as source:
        record = json.load(source)
    with open(sidecar, 'w') as target:
        json.dump(dict(record, status='saving'), target)
    with open(os.path.join(store.path, f'{image["id"]}.part'), 'wb') as part:
        fcntl.flock(part, fcntl.LOCK_EX)
        with pytest.raises(exception.Conflict):
            store.upload(user, image['id'], [b'x'])
    assert store.upload(user, image['id'], [b'x'])['status'] == 'active'


def test_an_image_deleted_during_its_upload_leaves_nothing(store, user):
    image = store.create(user, RAW)

    def deleting():
        yield b'x'
        store.delete(user, image['id'])
        yield b'y'
    with pytest.raises(exception.ImageNotFound):
        store.upload(user, image['id'], deleting())
    assert files(store) == []


def test_a_deletion_that_was_cut_off_is_finished_later(store, user):
    image = make(store, user)
    path = os.path.join(store.path, image['id'])
    os.rename(f'{path}.json', f'{path}.deleted')
    assert store.list(user) == []
    other = make(store, user)
    assert files(store) == [other['id'], f'{other["id"]}.json']


def test_private_and_shared_images_do_not_exist_for_strangers(store, user, stranger, admin):
    for visibility in ('private', 'shared'):
        image = make(store, user, visibility=visibility)
        for attempt in (store.show, store.delete, store.download):
            with pytest.raises(exception.ImageNotFound):
                attempt(stranger, image['id'])
        assert store.show(admin, image['id'])
    assert store.list(stranger) == [] and len(store.list(user)) == 2 == len(store.list(admin))


def test_public_images_are_seen_and_not_changed(store, user, stranger, admin):
    image = make(store, admin, visibility='public')
    assert store.list(stranger) == [image] and image['is_public']
    for attempt in (lambda: store.delete(user, image['id']), lambda: store.update(user, image['id'], {'name': 'x'}),
                    lambda: store.upload(user, image['id'], [b'']),
                    lambda: store.create(user, dict(RAW, visibility='public')),
                    lambda: store.create(user, dict(RAW, owner='p2'))):
        with pytest.raises(exception.ImageNotAuthorized):
            attempt()


def test_a_community_image_is_found_by_who_asks_for_it(store, user, stranger):
    image = make(store, user, visibility='community')
    assert store.show(stranger, image['id']) and store.list(stranger) == []
    assert store.list(stranger, {'visibility': 'community'}) == [image]


def test_a_member_sees_a_shared_image_and_lists_it_once_accepted(store, user, stranger):
    image = make(store, user)
    store.set_member(user, image['id'], 'p2', 'pending')
    assert store.show(stranger, image['id']) and store.list(stranger) == []
    store.set_member(stranger, image['id'], 'p2', 'accepted')
    assert [found['id'] for found in store.list(stranger)] == [image['id']]
    with pytest.raises(exception.ImageNotAuthorized):
        store.set_member(stranger, image['id'], 'p3', 'pending')
    store.set_member(user, image['id'], 'p2', None)
    with pytest.raises(exception.ImageNotFound):
        store.show(stranger, image['id'])


def test_a_protected_image_stays(store, user):
    image = make(store, user, protected=True)
    with pytest.raises(exception.ImageNotAuthorized, match='protected'):
        store.delete(user, image['id'])
    store.update(user, image['id'], {'protected': False})
    store.delete(user, image['id'])


@pytest.mark.parametrize('image_id', ['../x', '', 'a/b', 'x' * 36, None, 'FA8A9F7D-6B1A-4D66-8A7F-000000000000'])
def test_an_id_is_never_a_path(store, user, image_id):
    with pytest.raises(exception.ImageNotFound):
        store.show(user, image_id)


def test_properties_are_merged_or_replaced(store, user):
    image = make(store, user, properties={'a': '1', 'b': '2'})
    assert store.update(user, image['id'], {'properties': {'b': 3}})['properties'] == {'a': '1', 'b': '3'}
    purged = store.update(user, image['id'], {'properties': {'c': '4'}}, purge_properties=True)
    assert purged['properties'] == {'c': '4'} and purged['updated_at'] >= image['updated_at']


def test_the_format_does_not_change_under_the_content(store, user):
    image = make(store, user)
    with pytest.raises(exception.ImageNotAuthorized, match='disk_format'):
        store.update(user, image['id'], {'disk_format': 'qcow2'})


@pytest.mark.parametrize('given, words', [
    ({'name': 'x' * 256}, 'name: a string of at most 255'), ({'min_ram': -1}, 'min_ram'),
    ({'min_disk': '1'}, 'min_disk'),
    ({'visibility': 'secret'}, 'visibility'), ({'protected': 'yes'}, 'protected'), ({'id': 'x'}, 'id:'),
    ({'tags': 'x'}, 'tags'), ({'container_format': 'ovf'}, 'container_format')])
def test_a_wrong_field_is_named(store, user, given, words):
    with pytest.raises(exception.Invalid, match=words):
        store.create(user, given)


def test_lists_filter_sort_and_page(store, user):
    a, b, c = (make(store, user, name=name, tags=[name, 'all']) for name in 'abc')
    queued = store.create(user, {'name': 'a', 'properties': {'os': 'linux'}})

    def names(**kwargs):
        return [image['name'] for image in store.list(user, **kwargs)]
    by_name = {'sort_keys': ('name',), 'sort_dirs': ('asc',)}
    assert names(**by_name) == ['a', 'a', 'b', 'c']
    assert names(filters={'status': 'active'}, **by_name) == ['a', 'b', 'c']
    assert names(filters={'name': 'in:a,"c"', 'status': 'active'}, **by_name) == ['a', 'c']
    assert names(filters={'tag': ['all', 'b']}) == ['b']
    assert names(filters={'size_min': '4000', 'size_max': 4000}, limit=2, **by_name) == ['a', 'b']
    assert names(filters={'status': 'active'}, marker=b['id'], **by_name) == ['c']
    assert store.list(user, {'property-os': 'linux'}) == store.list(user, {'os': 'linux'}) == [queued]
    for name in ('tags', 'members', 'properties'):     # of an image's own fields only those with one value are filters
        assert names(filters={name: 'a'}) == []
        named = store.create(user, {'name': name, 'properties': {name: 'x'}})
        assert names(filters={name: 'x'}) == [name]
        store.delete(user, named['id'])
    assert names(filters={'changes-since': '2100-01-01T00:00:00Z'}) == []
    assert len(names(filters={'created_at': 'gt:2000-01-01T00:00:00Z'})) == 4
    for wrong in ({'filters': {'size_min': 'x'}}, {'sort_keys': ('members',)}, {'sort_dirs': ('up',)},
                  {'marker': 'nope'}, {'filters': {'visibility': 'x'}}, {'filters': {'updated_at': 'gt:x'}}):
        with pytest.raises(exception.Invalid):
            store.list(user, **wrong)
    assert {image['id'] for image in (a, b, c, queued)} == {image['id'] for image in store.list(user)}


@pytest.mark.parametrize('name', ['size', 'virtual_size', 'min_ram', 'min_disk'])
def test_a_list_is_filtered_by_a_number(store, user, name):
    image = make(store, user, min_ram=64, min_disk=3)
    queued = store.create(user, {})
    assert store.list(user, {name: str(image[name])}) == store.list(user, {name: image[name]}) == [image]
    assert store.list(user, {name: '12345'}) == []
    assert store.list(user, {name: '0'}) == ([queued] if queued[name] == 0 else [])
    with pytest.raises(exception.InvalidInput, match=name):
        store.list(user, {name: 'much'})


def test_hidden_images_are_listed_when_asked_for(store, user):
    image = make(store, user, os_hidden=True)
    assert store.list(user) == [] and store.list(user, {'os_hidden': True}) == [image]


def test_fetching_copies_the_whole_file_or_nothing(store, user, tmp_path, make_image):
    with open(make_image('disk', 'qcow2', '32M'), 'rb') as data:
        image = store.create(user, dict(RAW, disk_format='qcow2'), data)
    api = image_package.API(store)
    target = tmp_path / 'fetched'
    assert api.download(user, image['id'], dest_path=str(target)) == ('qcow2', 32 << 20, image['size'])
    assert target.read_bytes() == b''.join(api.download(user, f'http://host/images/{image["id"]}'))
    # Whatever happened to the file since, nobody gets something else under its name.
    with open(api.data_path(user, image['id']), 'wb') as spoiled:
        spoiled.write(b'raw now')
    with pytest.raises(exception.ImageUnacceptable):
        api.download(user, image['id'], dest_path=str(tmp_path / 'other'))
    assert not (tmp_path / 'other').exists()


def test_zeros_take_no_room_and_copies_keep_the_holes(store, user, tmp_path):
    def content():
        yield b'x' * 65536
        for _ in range(64):
            yield bytes(1 << 20)
    image = store.create(user, RAW, content())
    target = str(tmp_path / 'fetched')
    store.fetch(user, image['id'], target)
    for path in (store.data_path(user, image['id']), target):
        assert os.stat(path).st_size == 65536 + (64 << 20) and os.stat(path).st_blocks * 512 < 1 << 20


@pytest.mark.parametrize('owner', [None, '', 'p2'])
def test_only_an_administrator_takes_the_owner_from_an_image(store, user, stranger, admin, owner):
    image = make(store, user, visibility='private')
    with pytest.raises(exception.ImageNotAuthorized, match='owner'):
        store.update(user, image['id'], {'owner': owner})
    with pytest.raises(exception.ImageNotAuthorized, match='owner'):
        store.create(user, dict(RAW, owner=owner))
    assert store.list(stranger) == []
    store.update(user, image['id'], {'owner': 'p1', 'name': 'mine'})
    assert store.update(admin, image['id'], {'owner': owner})['owner'] == owner
