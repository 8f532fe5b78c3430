# SPDX-License-Identifier: Apache-2.0
"""The libvirt driver keeps the contract that every driver keeps."""

import os

from nova import objects
from nova.network import model
from nova.tests.integration.virt import base
from nova.tests.unit.virt import contract
from nova.virt import driver


class TestContract(contract.DriverContract, base.GuestCase):
    patience_s = 30

    def setUp(self):
        super().setUp()
        # The end of one test must not be the begin of the next one's events.
        self.addCleanup(self.events.clear)

    def make_driver(self):
        self.options('libvirt', wait_soft_reboot_seconds=1)
        return driver.load_compute_driver(None, 'libvirt.LibvirtDriver')

    def make_vif(self):
        return base.GuestCase.make_vif(self)

    def make_connection_info(self):
        return {'driver_volume_type': 'file', 'serial': 'a-volume',
                'data': {'device_path': self.make_disk(), 'format': 'raw'}}

    def make_image_meta(self):
        """One that can be fetched: rescue needs it."""
        image_id = self.upload(self.make_disk())
        return objects.ImageMeta.from_dict(self.images.get(self.context, image_id))

    make_instance = contract.DriverContract.make_instance

    def spawn(self, instance=None, vifs=()):
        if 'attached' in self._testMethodName:
            return self.spawn_linux()
        instance = instance or self.make_instance()
        network_info = model.NetworkInfo(list(vifs))
        self.addCleanup(self.driver.destroy, self.context, instance, network_info)
        self.driver.spawn(self.context, instance, self.make_image_meta(), [], 'secret', network_info, None)
        return instance

    def spawn_linux(self):
        """A guest lets go of a device only while a system runs in it."""
        image_id = self.upload(os.path.join(os.environ['NOVA_TEST_GUEST'], 'guest.qcow2'), 'qcow2')
        server = base.GuestCase.spawn(self, self.make_server(image_id, memory_mb=160))
        self.wait_for(lambda: 'GUEST: ready' in self.console(server), 'a boot')
        return server
