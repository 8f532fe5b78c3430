# SPDX-License-Identifier: Apache-2.0
"""A volume is promised to a server, and the answer is lost: who asked was killed, or the service was too slow."""

import types

import pytest
from oslo_utils import uuidutils

from nova import exception, objects, volume
from nova.compute import volumes
from nova.tests import database as databases
from nova.tests.unit.network import test_addresses


class Losing(volume.API):
    """Makes what it is asked for, and loses so many answers."""

    def __init__(self, losses):
        super().__init__()
        self.losses = losses

    def attachment_create(self, *args):
        made = super().attachment_create(*args)
        self.losses -= 1
        if self.losses >= 0:
            raise exception.CinderConnectionFailed(reason='no answer')
        return made


class Operation:
    """As much of an operation as is needed."""

    def __init__(self, server, losses):
        driver = types.SimpleNamespace(get_volume_connector=lambda instance: {'host': 'h1'})
        self.host = types.SimpleNamespace(name='h1', volume=Losing(losses), driver=driver)
        self.instance, self.context = server, databases.admin()
        self.bdms = objects.BlockDeviceMappingList.get_by_instance_uuid(self.context, server.uuid).objects


@pytest.fixture
def booting(database):
    """(a volume, an operation of a server that boots with it, of which one answer is lost)"""
    found = volume.API().create(databases.member(), 1)
    server = test_addresses.a_server()
    objects.BlockDeviceMapping.create(databases.admin(), {
        'uuid': uuidutils.generate_uuid(), 'instance_uuid': server.uuid, 'source_type': 'volume',
        'destination_type': 'volume', 'volume_id': found.id, 'volume_size': 1,
        'device_name': '/dev/vdb', 'delete_on_termination': False})
    return found, Operation(server, losses=1)


def now(found):
    return volume.API().get(databases.member(), found.id)


def test_it_is_free_when_the_server_is_deleted(booting):
    found, op = booting
    with pytest.raises(exception.CinderConnectionFailed):
        volumes.connect_all(op)
    assert now(found).status == 'reserved'
    volumes.give_back_all(op.host, op.context, op.bdms)
    assert (now(found).status, now(found).attachments) == ('available', [])


def test_one_that_goes_with_its_server_goes(booting):
    found, op = booting
    (bdm,) = (each for each in op.bdms if each.volume_id == found.id)
    bdm.delete_on_termination = True
    with pytest.raises(exception.CinderConnectionFailed):
        volumes.connect_all(op)
    volumes.give_back_all(op.host, op.context, op.bdms)
    with pytest.raises(exception.VolumeNotFound):
        now(found)


def test_the_server_has_it_at_the_next_try_and_it_is_free_afterwards(booting):
    found, op = booting
    with pytest.raises(exception.CinderConnectionFailed):
        volumes.connect_all(op)
    volumes.connect_all(op)
    assert now(found).status == 'in-use'
    volumes.give_back_all(op.host, op.context, op.bdms)
    assert (now(found).status, now(found).attachments) == ('available', [])


def test_another_server_does_not_get_it(booting):
    found, op = booting
    with pytest.raises(exception.CinderConnectionFailed):
        volumes.connect_all(op)
    with pytest.raises(exception.InvalidVolume):
        volume.API().attachment_create(databases.member(), found.id, test_addresses.a_server().uuid)
