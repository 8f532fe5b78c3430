# SPDX-License-Identifier: Apache-2.0
"""Volumes that are swapped: whatever is cut off, fails or is given up, the records come to say what the guest has."""

import pytest

from nova import exception, objects, volume
from nova.compute import api, delete, manager, operations, power, recovery, volumes
from nova.conductor import janitor
from nova.conf import CONF
from nova.tests import database as make
from nova.tests.unit.compute import test_image_orders
from nova.tests.unit.compute.test_image_orders import journal, order
from nova.virt import fake

store = test_image_orders.store
DEVICE = '/dev/vdb'


class Cut(BaseException):
    """kill -9: nothing is caught, nothing is undone."""


class Host:
    """nova-compute, in which something happens at a step that the test names."""

    binary, name = 'nova-compute', 'h1'
    get_ready, give_up = manager.ComputeManager.get_ready, manager.ComputeManager.give_up

    def __init__(self, driver, number=1):
        self.start_id = f'start-{number}'
        self.entered, self.busy, self.unsettled = set(), set(), set()
        self.driver, self.volume, self.firewall = driver, volume.API(), test_image_orders.Firewall()

    def begin(self):
        """What happens when the service starts."""
        self.firewall.sync = lambda instances: None
        recovery.take_up(self, make.admin())
        recovery.repair(self, make.admin())

    def work(self):
        """Do what is ordered."""
        for action in (action for action in journals() if action.state == 'pending'):
            body = {'swap_volume': volumes.swap, 'terminate_instance': delete.terminate,
                    'stop_instance': power.stop}[action.method]
            operations.run(self, make.admin(), action.id, 'event', body)


def journals():
    return sorted((action for server in objects.InstanceList.get_by_filters(make.admin(), {})
                   for action in objects.InstanceActionList.get_by_instance_uuid(make.admin(), server.uuid)),
                  key=lambda action: action.id)


class Scene:
    """A server with a volume, and another one that it is to be swapped for."""

    def __init__(self):
        driver = fake.FakeDriver(None)
        driver.init_host('h1')
        driver.hypervisor.guests.clear()
        self.host = Host(driver)
        self.server = make.server()
        driver.hypervisor.define(driver._new_guest(self.server))
        self.old, self.new = (self.host.volume.create(make.member(), size) for size in (1, 2))
        self.api = api.API()
        self.bdm = self.api.attach_volume(make.member(), self.server, self.old.id)
        self.run('attach_volume', volumes.attach)

    def run(self, method, body):
        operations.run(self.host, make.admin(), journal(self.server).id, 'event', body)
        assert journal(self.server).message is None

    def order(self):
        self.api.swap_volume(make.member(), self.server, self.old.id, self.new.id)

    def start_again(self):
        self.host = Host(self.host.driver, int(self.host.start_id[-1]) + 1)
        self.host.begin()

    @property
    def guest_has(self):
        return self.host.driver.hypervisor.guests[self.server.uuid].volumes[DEVICE]['serial']

    def expect(self, which):
        """The server has this volume, by all records, and the other one is free."""
        other = self.old if which is self.new else self.new
        assert self.guest_has == which.id
        (bdm,) = (bdm for bdm in objects.BlockDeviceMappingList.get_by_instance_uuid(make.admin(), self.server.uuid)
                  if bdm.volume_id)
        assert (bdm.volume_id, bdm.volume_size) == (which.id, which.size_gb)
        assert bdm.connection_info == {**self.host.driver.hypervisor.guests[self.server.uuid].volumes[DEVICE],
                                       'host': 'h1'}
        found = {each.id: each for each in self.host.volume.get_all(make.admin(), all_projects=True)}
        assert found[which.id].attachments == [
            {'id': bdm.attachment_id, 'instance_uuid': self.server.uuid, 'device': DEVICE}]
        assert found[which.id].status == 'in-use'
        assert (found[other.id].status, found[other.id].attachments) == ('available', [])


@pytest.fixture
def scene(database, store, tmp_path, monkeypatch):
    CONF.set_override('store_path', str(tmp_path / 'volumes'), 'volume')
    monkeypatch.setattr(api.API, '_ring', staticmethod(lambda *args: None))
    yield Scene()
    CONF.clear_override('store_path', 'volume')


#: Steps in their order: who, what, which time.
STEPS = [
    ('bdm', 'save', 1), ('volume', 'attachment_update', 1), ('bdm', 'save', 2), ('driver', 'swap_volume', 1),
    ('bdm', 'save', 3), ('volume', 'attachment_complete', 1), ('volume', 'attachment_delete', 1),
    ('volume', 'swapped', 1), ('bdm', 'save', 4), ('action', 'finish', 1)]
#: Before each of them: cut off when one is done is as before the next.
CUTS = [(*step, False) for step in STEPS]
#: It is done, and nobody heard of it.
LOST = [(*step, True) for step in STEPS]


def swaps(place):
    """Whether the guest has the new volume by then."""
    return STEPS.index(place[:3]) + place[3] > STEPS.index(('driver', 'swap_volume', 1))


def happens(scene, monkeypatch, place, what):
    """Raise something at a place, once."""
    who, name, number, is_done = place
    target = {'bdm': objects.BlockDeviceMapping, 'volume': volume.API, 'driver': scene.host.driver,
              'action': objects.InstanceAction}[who]
    real, counted = getattr(target, name), []

    def step(*args, **kwargs):
        counted.append(1)
        if len(counted) == number and not is_done:
            raise what
        result = real(*args, **kwargs)
        if len(counted) == number and is_done:
            raise what
        return result
    monkeypatch.setattr(target, name, step)


def cut_off(scene, monkeypatch, place):
    scene.order()
    with monkeypatch.context() as once:
        happens(scene, once, place, Cut())
        with pytest.raises(Cut):
            scene.host.work()


def give_up(scene):
    """The janitor does not wait for this host any more."""
    janitor.fail(None, make.admin(), journal(scene.server), 'Host h1 went down in the middle of swap_volume.')


def test_there(scene):
    scene.order()
    scene.host.work()
    scene.expect(scene.new)
    assert journal(scene.server).message is None
    volumes.settle_all(scene.host, make.admin())
    assert scene.host.unsettled == set()


@pytest.mark.parametrize('place', [*CUTS, LOST[-1]], ids=str)
def test_what_was_cut_off_is_finished_after_the_next_start(scene, monkeypatch, place):
    cut_off(scene, monkeypatch, place)
    assert (scene.guest_has == scene.new.id) == swaps(place)
    scene.start_again()
    # Looking after it comes before the order is taken up, or after it.
    volumes.settle_all(scene.host, make.admin())
    scene.host.work()
    scene.expect(scene.new)
    assert journal(scene.server).message is None
    volumes.settle_all(scene.host, make.admin())
    assert scene.host.unsettled == set()


@pytest.mark.parametrize('place', CUTS, ids=str)
def test_what_was_given_up_is_recorded_as_the_guest_has_it(scene, monkeypatch, place):
    cut_off(scene, monkeypatch, place)
    give_up(scene)
    assert journal(scene.server).message == 'Error'
    scene.start_again()
    scene.host.work()
    volumes.settle_all(scene.host, make.admin())
    scene.expect(scene.new if swaps(place) else scene.old)
    assert scene.host.unsettled == set()


@pytest.mark.parametrize('place', [*CUTS[:-1], *LOST[:-1]], ids=str)
def test_what_fails_leaves_the_records_as_the_guest_has_it(scene, monkeypatch, place):
    scene.order()
    with monkeypatch.context() as once:
        happens(scene, once, place, exception.CinderConnectionFailed(reason='it does not answer'))
        scene.host.work()
    assert journal(scene.server).state == 'done'
    volumes.settle_all(scene.host, make.admin())
    scene.expect(scene.new if swaps(place) else scene.old)


def test_a_volume_service_that_is_away_for_long_is_waited_for(scene, monkeypatch):
    scene.order()
    with monkeypatch.context() as gone:
        for name in ('attachment_complete', 'attachment_delete', 'roll_detaching'):
            gone.setattr(volume.API, name, lambda *args: (_ for _ in ()).throw(
                exception.CinderConnectionFailed(reason='gone')))
        scene.host.work()
        volumes.settle_all(scene.host, make.admin())
        assert scene.host.unsettled == {scene.server.uuid}
    assert journal(scene.server).message is None
    volumes.settle_all(scene.host, make.admin())
    scene.expect(scene.new)


def test_an_order_that_nobody_took_leaves_nothing(scene):
    scene.order()
    give_up(scene)
    scene.expect(scene.old)


def test_a_server_that_is_deleted_before_takes_nothing_along(scene):
    scene.order()
    swap = journal(scene.server)
    order(scene.server, 'delete', 'terminate_instance')
    for action, body in ((journal(scene.server), delete.terminate), (swap, volumes.swap)):
        operations.run(scene.host, make.admin(), action.id, 'event', body)
    assert {(each.status, len(each.attachments)) for each in scene.host.volume.get_all(make.admin(), True)} == {
        ('available', 0)}


@pytest.mark.parametrize('place', CUTS[2:8:2], ids=str)
def test_a_server_that_is_deleted_after_it_was_given_up_takes_nothing_along(scene, monkeypatch, place):
    cut_off(scene, monkeypatch, place)
    give_up(scene)
    scene.start_again()
    order(scene.server, 'delete', 'terminate_instance')
    scene.host.work()
    assert {(each.status, len(each.attachments)) for each in scene.host.volume.get_all(make.admin(), True)} == {
        ('available', 0)}


@pytest.mark.parametrize('place', CUTS[3:6], ids=str)
def test_another_operation_finds_it_settled(scene, monkeypatch, place):
    cut_off(scene, monkeypatch, place)
    give_up(scene)
    scene.start_again()
    order(scene.server, 'stop', 'stop_instance')
    scene.host.work()
    assert journal(scene.server).message is None
    scene.expect(scene.new if swaps(place) else scene.old)


def test_on_another_host_the_server_has_what_is_recorded(scene, monkeypatch):
    cut_off(scene, monkeypatch, ('driver', 'swap_volume', 1, False))
    give_up(scene)
    scene.host.name = 'h2'
    volumes._settle(scene.host, make.admin(), scene.server, the_disk(scene))
    scene.expect(scene.old)


def test_a_volume_that_got_the_name_of_the_former_one_is_found_by_it(scene, monkeypatch):
    """Where the service moves volumes itself: it was asked for, and the answer was lost."""
    cut_off(scene, monkeypatch, ('volume', 'swapped', 1, False))
    scene.start_again()
    real = volume.API.get

    def get(self, context, volume_id):
        if volume_id == scene.new.id:
            raise exception.VolumeNotFound(volume_id=volume_id)
        return real(self, context, volume_id)
    monkeypatch.setattr(volume.API, 'get', get)
    scene.host.work()
    assert the_disk(scene).volume_id == scene.old.id
    assert not volumes.is_swapping(the_disk(scene))


def test_while_an_earlier_swap_is_not_settled_there_is_no_other(scene, monkeypatch):
    scene.order()
    former, real = the_disk(scene).attachment_id, volume.API.attachment_delete

    def delete_others(self, context, attachment_id):
        if attachment_id == former:
            raise exception.CinderConnectionFailed(reason='gone')
        real(self, context, attachment_id)
    with monkeypatch.context() as away:
        away.setattr(volume.API, 'attachment_delete', delete_others)
        scene.host.work()
        third = scene.host.volume.create(make.member(), 2)
        scene.api.swap_volume(make.member(), scene.server, scene.new.id, third.id)
        scene.host.work()
    assert journal(scene.server).message == 'Error'
    assert scene.host.volume.get(make.admin(), third.id).status == 'available'
    volumes.settle_all(scene.host, make.admin())
    scene.expect(scene.new)
    assert scene.host.unsettled == set()


def the_disk(scene):
    (bdm,) = (bdm for bdm in objects.BlockDeviceMappingList.get_by_instance_uuid(make.admin(), scene.server.uuid)
              if bdm.volume_id)
    return bdm


def test_a_driver_that_cannot_tell(scene, monkeypatch):
    """It is believed that a swap that failed left the guest as it was; of one that was cut off nothing is known."""
    def unknown(*args):
        raise NotImplementedError
    monkeypatch.setattr(scene.host.driver, 'swap_volume_interrupted', unknown)
    scene.order()
    with monkeypatch.context() as once:
        happens(scene, once, ('driver', 'swap_volume', 1, False), fake.FakeFailure(call='swap_volume'))
        scene.host.work()
    scene.expect(scene.old)
    cut_off(scene, monkeypatch, ('driver', 'swap_volume', 1, False))
    give_up(scene)
    scene.start_again()
    volumes.settle_all(scene.host, make.admin())
    assert scene.host.unsettled == {scene.server.uuid}
    assert volumes.is_swapping(the_disk(scene))


def test_a_server_that_something_is_done_with_is_not_waited_for(scene):
    scene.host.unsettled.add(scene.server.uuid)
    scene.host.busy.add(scene.server.uuid)
    volumes.settle_all(scene.host, make.admin())
    assert scene.host.unsettled == {scene.server.uuid}
