# SPDX-License-Identifier: Apache-2.0
"""How much volumes are used, from what libvirt says of all guests at once."""

import types

import libvirt
import pytest

from nova import objects
from nova.virt.libvirt import errors, usage

STATS = {'block.count': 3, 'block.0.name': 'vda', 'block.0.rd.reqs': 7, 'block.1.name': 'vdb', 'block.1.rd.reqs': 1,
         'block.1.rd.bytes': 512, 'block.1.wr.reqs': 2, 'block.1.wr.bytes': 1024, 'block.2.name': 'vdc'}


class Connection:
    """libvirt's, with two guests: one that it can ask, and one that something holds up."""

    def getAllDomainStats(self, kinds, flags):  # noqa: N802  libvirt's name
        assert kinds == libvirt.VIR_DOMAIN_STATS_BLOCK
        assert flags & libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT
        return [(types.SimpleNamespace(UUIDString=lambda: 'one'), STATS),
                (types.SimpleNamespace(UUIDString=lambda: 'two'), {})]


class Host:
    @staticmethod
    def call(function):
        return function(Connection())


def guest(uuid, *devices):
    return {'instance': types.SimpleNamespace(uuid=uuid), 'instance_bdms': [
        objects.BlockDeviceMapping(volume_id=f'{uuid} {device}', device_name=device) for device in devices]}


def test_disks_that_libvirt_does_not_speak_of_are_left_out():
    objects.register_all()
    found = usage.of_volumes(Host, [guest('gone', '/dev/vdb'), guest('two', '/dev/vdb'),
                                    guest('one', '/dev/vdb', '/dev/vdc', '/dev/vdd', None)])
    assert [(each.pop('instance').uuid, each) for each in found] == [
        ('one', {'volume': 'one /dev/vdb', 'rd_req': 1, 'rd_bytes': 512, 'wr_req': 2, 'wr_bytes': 1024})]


def test_a_hypervisor_that_counts_nothing_says_so_in_the_words_of_the_contract():
    def call(_function):
        raise errors.UnsupportedByHypervisor(reason='containers', code=libvirt.VIR_ERR_NO_SUPPORT)
    with pytest.raises(NotImplementedError):
        usage.of_volumes(types.SimpleNamespace(call=call), [])
