# SPDX-License-Identifier: Apache-2.0
"""What is kept of a server besides its columns: two that change it side by side both have their way."""

import types

import pytest

from nova import exception, objects
from nova.compute import api, operations, rebuild, shelve
from nova.compute.verbs import shares
from nova.objects import instance, share_mapping
from nova.tests import database as make
from nova.tests.unit.compute import test_image_orders
from nova.tests.unit.compute.test_image_orders import new_image, order, shown

host, server, store = test_image_orders.host, test_image_orders.server, test_image_orders.store

PASSWORD = {f'password_{part}': 'x' for part in range(4)}


def kept(server):
    """All but what is known of the image."""
    return plain(shown(server).system_metadata)


def plain(metadata):
    return {name: value for name, value in metadata.items() if not name.startswith('image_')}


def of_image(server):
    return {name: value for name, value in shown(server).system_metadata.items() if name.startswith('image_')}


def leave(server, **more):
    """A guest leaves its password, somebody attaches a share: all the time, and whatever others know of it."""
    instance.Instance.get_by_uuid(make.admin(), server.uuid).change_system_metadata({**PASSWORD, **more})


def meanwhile(function, server, **more):
    """Have it called as it is, and something left right before that."""
    def call(*args, **kwargs):
        leave(server, **more)
        return function(*args, **kwargs)
    return call


def do(host, action_id, body):
    operations.run(host, make.admin(), action_id, 'event', body)


def ring(monkeypatch):
    monkeypatch.setattr(api.API, '_ring', staticmethod(lambda *args: None))


def test_changes_are_merged_and_told(server):
    stale = shown(server)
    leave(server, a='1', b='2')
    assert plain(stale.change_system_metadata({'a': None, 'c': '3', 'd': None})) == {**PASSWORD, 'b': '2', 'c': '3'}
    assert plain(stale.system_metadata) == kept(server) == {**PASSWORD, 'b': '2', 'c': '3'}
    assert stale.obj_what_changed() == set()


def test_of_a_server_that_is_gone_nothing_is_kept(server):
    stale = shown(server)
    server.destroy()
    with pytest.raises(exception.InstanceNotFound):
        stale.change_system_metadata({'a': '1'})


def test_a_password_that_is_left_while_a_server_is_shelved(host, server):
    host.driver.power_off = meanwhile(host.driver.power_off, server)
    action_id = order(server, 'shelve', 'shelve_instance', image_id=new_image(host.image))
    do(host, action_id, shelve.shelve)
    assert set(kept(server)) == {*PASSWORD, *shelve.KEYS}


def test_a_password_that_is_left_while_a_server_is_unshelved(host, server):
    leave(server, shelved_at='then', shelved_host='h1')
    become(server, 'shelved')
    host.driver.power_on = meanwhile(lambda *args: None, server, more='1')
    do(host, order(server, 'unshelve', 'unshelve_instance'), shelve.unshelve)
    assert shown(server).vm_state == 'active'
    assert kept(server) == {**PASSWORD, 'more': '1'}


def become(server, vm_state):
    found = shown(server)
    found.vm_state = vm_state
    found.save()
    server.refresh()


def test_a_password_that_is_left_while_a_rebuild_is_ordered(host, server, monkeypatch):
    ring(monkeypatch)
    server.change_system_metadata({'image_old': 'o'})
    stale = shown(server)
    leave(server)
    compute = api.API()
    compute.rebuild(make.member(), stale, new_image(host.image, b'content'), 'secret')
    assert kept(server) == PASSWORD
    assert 'image_old' not in of_image(server)
    assert of_image(server)['image_disk_format'] == stale.system_metadata['image_disk_format'] == 'raw'


def test_a_rebuild_that_is_refused_takes_back_its_own_only(host, server, monkeypatch):
    ring(monkeypatch)
    leave(server, image_old='o', image_disk_format='qcow2')
    before = of_image(server)
    compute = api.API()
    compute.rebuild(make.member(), shown(server), new_image(host.image, b'content'), 'secret')
    leave(server, more='1')
    action = test_image_orders.journal(server)

    def body(op):
        rebuild.refuse(op)
        raise exception.NovaException('no')
    monkeypatch.setattr(host, 'binary', 'nova-conductor')
    do(host, action.id, body)
    assert kept(server) == {**PASSWORD, 'more': '1'}
    assert of_image(server) == before
    assert shown(server).image_ref == 'image'


def test_a_password_that_is_left_while_a_share_is_attached(host, server, monkeypatch):
    verbs = shares.Shares()
    monkeypatch.setattr(shares.Shares, '_ring', staticmethod(lambda *args: None))
    monkeypatch.setattr(shares.Shares, '_check_host', staticmethod(lambda *args: None))
    verbs.share = types.SimpleNamespace(get_usable=lambda context, share_id: types.SimpleNamespace(
        export_location='192.0.2.1:/data', protocol='NFS'))
    become(server, 'stopped')
    stale = shown(server)
    leave(server)
    verbs.attach(make.member(), stale, '10000000-0000-4000-8000-000000000000', 'data')
    assert kept(server) == {**PASSWORD, share_mapping.MARK: '1'}
    assert share_mapping.MARK in stale.system_metadata


def test_a_password_is_cleared_and_nothing_else(server):
    leave(server)
    stale = shown(server)
    leave(server, more='1')
    api.API().clear_password(make.member(), stale)
    assert kept(server) == {'more': '1'}
    assert objects.Instance.get_by_uuid(make.admin(), server.uuid).keep_password({'password_0': 'new'})
    assert kept(server) == {'more': '1', 'password_0': 'new'}
