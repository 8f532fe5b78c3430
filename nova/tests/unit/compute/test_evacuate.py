# SPDX-License-Identifier: Apache-2.0
"""A server of a dead host is made anew, and its disks, where hosts share them, outlive whatever happens meanwhile."""

import os
import types
from unittest import mock

import libvirt
import pytest

from nova import exception, objects
from nova.compute import evacuate, rebuild
from nova.conf import CONF
from nova.tests.unit.virt.libvirt import base
from nova.virt.libvirt import diskinfo, disks, driver, imagecache, paths

CONTENT = b'what the user has written'


class Libvirt(base.FakeHost):
    """Has the domains that were defined, all of them running once they were started."""

    def __init__(self):
        self.documents, self.running = {}, set()

    def list_names(self):
        return []

    def list_uuids(self):
        return list(self.documents)

    def list_documents(self):
        return []

    def call(self, function, *args, instance_id=None):
        try:
            return function(self, *args)
        except KeyError:
            raise exception.InstanceNotFound(instance_id=instance_id) from None

    def defineXML(self, xml):  # noqa: N802  (libvirt's name)
        self.documents[base.config.parse(xml).findtext('uuid')] = xml

    def lookupByUUIDString(self, uuid):  # noqa: N802  (libvirt's name)
        self.documents[uuid]
        return types.SimpleNamespace(
            isActive=lambda: uuid in self.running, createWithFlags=lambda flags: self.running.add(uuid),
            destroy=lambda: self.running.discard(uuid), undefineFlags=lambda flags: self.documents.pop(uuid),
            info=lambda: (libvirt.VIR_DOMAIN_RUNNING, 0, 0, 1, 0), hasManagedSaveImage=lambda flags: False,
            OSType=lambda: 'hvm', ID=lambda: 1)


@pytest.fixture
def order(database):
    """Evacuation of a server whose disk both hosts see, as the living host carries it out."""
    server, made = base.make_server(), driver.LibvirtDriver(None)
    os.makedirs(paths.of(server))
    diskinfo.record(server, 'disk', diskinfo.DiskInfo('raw', 1 << 20))
    with open(paths.of(server, 'disk'), 'wb') as disk:
        disk.write(CONTENT)
    disks.take(server, 'dead')
    os.makedirs(paths.cache())
    name = imagecache.name_of(server.image_ref)
    with open(paths.cache('image'), 'wb') as image:
        image.truncate(1 << 20)
    imagecache._keep(name, paths.cache('image'), 'raw', 1 << 20)
    made.host = Libvirt()
    CONF.set_override('virt_type', 'qemu', 'libvirt')
    host = mock.MagicMock(driver=made)
    host.name = CONF.host
    op = mock.MagicMock(host=host, instance=server, bdms=[], context=base.context.get_admin_context(),
                        args={'migration_uuid': 'm', 'reimage': None})
    op.undone = []
    op.undo = lambda function, *args, **kwargs: op.undone.append((function, args, kwargs))
    with mock.patch.object(objects.Migration, 'get_by_uuid'):
        yield op
    CONF.clear_override('virt_type', 'libvirt')


def content(op):
    with open(paths.of(op.instance, 'disk'), 'rb') as disk:
        return disk.read(len(CONTENT))


def runs(op):
    return op.instance.uuid in op.host.driver.host.running


def test_the_disks_stay(order):
    evacuate.rebuild(order)
    assert (content(order), runs(order), disks.host_of(order.instance)) == (CONTENT, True, CONF.host)


@pytest.mark.parametrize('has_guest', [False, True])
def test_the_disks_stay_where_the_first_try_was_cut_off(order, has_guest):
    """The process was killed when the disks were its own already: they are the only ones of the server all the same."""
    if has_guest:
        evacuate.rebuild(order)
    disks.take(order.instance)
    evacuate.rebuild(order)
    assert (content(order), runs(order), disks.host_of(order.instance)) == (CONTENT, True, CONF.host)


@pytest.mark.parametrize('deleted', [False, True])
def test_an_order_that_was_given_up_leaves_the_disks(order, deleted):
    """When this host is back it looks for guests and files of servers that are recorded elsewhere."""
    order.instance.trust('host', 'dead')
    order.instance.trust('deleted', deleted)
    disks.take(order.instance)
    order.host.driver.destroy(order.context, order.instance, None)
    assert os.path.exists(paths.of(order.instance, 'disk')) is not deleted
    assert order.host.driver.delete_instance_files(order.instance)
    assert disks.host_of(order.instance) == (None if deleted else 'dead')


def test_a_server_that_is_recorded_here_can_be_deleted(order):
    evacuate.rebuild(order)
    order.host.driver.destroy(order.context, order.instance, None)
    assert not os.path.exists(paths.of(order.instance))


def test_a_server_that_is_made_anew_from_an_image_gets_new_disks(order):
    """Also where its guest is lost, and its disks came from another host once."""
    disks.take(order.instance)
    order.instance.trust('host', CONF.host)
    rebuild._from_nothing(order, (), [], None, None)
    assert (content(order) == CONTENT, runs(order)) == (False, True)


@pytest.mark.parametrize('tries', [1, 2])
def test_a_guest_that_does_not_start_leaves_the_disks(order, tries):
    if tries == 2:
        disks.take(order.instance)
    with mock.patch.object(Libvirt, 'defineXML', side_effect=exception.NovaException('no')), \
            pytest.raises(exception.NovaException):
        evacuate.rebuild(order)
    for function, args, kwargs in reversed(order.undone):
        function(*args, **kwargs)
    assert (content(order), disks.host_of(order.instance)) == (CONTENT, 'dead')
