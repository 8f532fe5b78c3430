# SPDX-License-Identifier: Apache-2.0
"""What a host does about shares on its own: after it was down, and when guests stop by themselves."""

import types

import pytest

from nova import db, exception, objects
from nova.compute import recovery, shares, states
from nova.conf import CONF
from nova.db import session
from nova.objects import share_mapping
from nova.tests import database as make
from nova.virt import power_state

SHARE = '10000000-0000-4000-8000-000000000000'


class Host:
    """A host that notes what is done; `faults`: what fails."""

    name = 'h1'

    def __init__(self):
        self.done, self.faults = [], set()
        self.driver = self.share = self.firewall = self

    def _do(self, what):
        self.done.append(what)
        if what in self.faults:
            raise exception.NovaException('it is gone')

    def mount_share(self, context, instance, mapping):
        self._do('mount')

    def umount_share(self, context, instance, mapping):
        self._do('umount')

    def allow(self, context, share_id, protocol):
        self._do('allow')

    def deny(self, context, share_id, protocol):
        self._do('deny')

    def get_info(self, instance):
        return types.SimpleNamespace(state=power_state.SHUTDOWN)

    def resume_state_on_host_boot(self, *args):
        self._do('resume')


@pytest.fixture
def host(database):
    return Host()


def sharer(status=share_mapping.ACTIVE, **values):
    server = make.server(system_metadata={share_mapping.MARK: '1'}, **values)
    share(server, status)
    return server


def deleted(server, number):
    with session.writer(make.admin()) as conn:
        db.instances.update(conn, server.uuid, {'deleted': number})
    return server


def share(server, status):
    objects.ShareMapping.create(make.admin(), {
        'instance_uuid': server.uuid, 'share_id': SHARE, 'tag': 'data', 'export_location': '192.0.2.1:/data',
        'share_proto': 'NFS', 'status': status})


def status_of(server):
    return [each.status for each in objects.ShareMappingList.get_by_instance_uuid(make.admin(), server.uuid)]


def test_a_guest_that_stopped_by_itself_needs_no_mounts(host):
    server = sharer(vm_state='stopped')
    shares.follow(host, make.admin(), server)
    assert (host.done, status_of(server)) == (['umount'], ['inactive'])
    shares.follow(host, make.admin(), server)
    assert host.done == ['umount']


def test_one_that_starts_again_meanwhile_keeps_them(host):
    server = sharer(vm_state='stopped', task_state='powering-on')
    shares.follow(host, make.admin(), server)
    assert (host.done, status_of(server)) == ([], ['active'])


@pytest.fixture
def resumes():
    CONF.set_override('resume_guests_state_on_host_boot', True)
    yield
    CONF.clear_override('resume_guests_state_on_host_boot')


@pytest.mark.usefixtures('resumes')
def test_after_a_boot_of_the_host_shares_are_mounted_before_guests_start(host):
    recovery._repair_one(host, make.admin(), server := sharer())
    assert (host.done, status_of(server)) == (['mount', 'resume'], ['active'])


@pytest.mark.usefixtures('resumes')
def test_without_its_share_a_server_stays_off(host):
    host.faults = {'mount'}
    recovery._repair_one(host, make.admin(), server := sharer())
    assert (host.done, status_of(server)) == (['mount'], ['error'])
    assert objects.Instance.get_by_uuid(make.admin(), server.uuid).vm_state == 'stopped'
    with pytest.raises(states.ShareInError, match=SHARE):
        states.require(make.admin(), objects.Instance.get_by_uuid(make.admin(), server.uuid), 'start')


def test_shares_of_servers_that_were_deleted_while_the_host_was_down(host):
    size = make.flavor()
    gone, here = deleted(sharer(size=size), 7), sharer(size=size)
    elsewhere = deleted(sharer(size=size, host='h2'), 8)
    shares.give_back_of_deleted(host, make.admin())
    assert host.done == ['umount']      # another server of the host has the same share
    assert [status_of(server) for server in (gone, here, elsewhere)] == [[], ['active'], ['active']]


def test_access_goes_with_the_last(host):
    host.faults = {'deny'}
    gone = deleted(sharer(), 7)
    shares.give_back_of_deleted(host, make.admin())
    assert (host.done, status_of(gone)) == (['umount', 'deny'], [])
