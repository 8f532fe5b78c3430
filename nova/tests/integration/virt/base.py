# SPDX-License-Identifier: Apache-2.0
"""What the tests inside of a hypervisor host have in common."""

import io
import os
import shutil
import subprocess
import tempfile
import time
import unittest

from oslo_utils import units, uuidutils

from nova import conf, context, image, objects
from nova.network import model
from nova.virt import driver

CONF = conf.CONF

#: The bridge that `hosted` makes.
BRIDGE = 'br-contract'


class GuestCase(unittest.TestCase):
    """A libvirt driver with directories of its own, an image store, and servers to try."""

    patience_s = 60

    def setUp(self):
        super().setUp()
        self.directory = tempfile.mkdtemp(prefix='nova-guests-', dir=os.environ.get('NOVA_TEST_DIRECTORY'))
        os.chmod(self.directory, 0o755)  # noqa: S103  (guests run as an ordinary user)
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.options(state_path=self.directory)
        self.options('libvirt', virt_type='qemu', wait_soft_reboot_seconds=2)
        self.context = context.get_admin_context()
        self.images = image.API()

    def options(self, group=None, **values):
        for name, value in values.items():
            CONF.set_override(name, value, group)
            self.addCleanup(CONF.clear_override, name, group)

    def start_driver(self):
        found = driver.load_compute_driver(None, 'libvirt.LibvirtDriver')
        self.events = []
        found.register_event_listener(self.events.append)
        found.init_host('h1')
        self.addCleanup(found.cleanup_host, 'h1')
        self.driver = found
        return found

    # Images ----------------------------------------------------------------------------------------------------------

    def make_disk(self, disk_format='raw', size_mb=8, content=b''):
        """Path of a new disk that begins with `content`."""
        raw = os.path.join(self.directory, uuidutils.generate_uuid())
        with open(raw, 'wb') as out:
            out.truncate(size_mb * units.Mi)
            out.write(content)
        if disk_format == 'raw':
            return raw
        subprocess.run(['qemu-img', 'convert', '-f', 'raw', '-O', disk_format, raw, f'{raw}.{disk_format}'], check=True)
        return f'{raw}.{disk_format}'

    def upload(self, path, disk_format='raw', **properties):
        """Store an image; returns its id."""
        container = disk_format if disk_format in ('aki', 'ari', 'ami') else 'bare'
        with open(path, 'rb') if isinstance(path, str) else io.BytesIO(path) as content:
            return self.images.create(self.context, {'name': 'test', 'disk_format': disk_format,
                                                     'container_format': container, 'properties': properties},
                                      content)['id']

    # Servers ---------------------------------------------------------------------------------------------------------

    _number = 0

    def make_server(self, image_id, specs=None, properties=None, **values):
        GuestCase._number += 1
        sizes = {'memory_mb': 64, 'vcpus': 1, 'root_gb': 1, 'ephemeral_gb': 0, 'swap': 0}
        sizes.update({name: values.pop(name) for name in list(values) if name in sizes})
        flavor = objects.Flavor(id=1, name='tiny', flavorid='1', extra_specs=specs or {}, **sizes)
        sizes.pop('swap')
        kept = {f'image_{name}': value for name, value in (properties or {}).items()}
        return objects.Instance(self.context, **{
            'id': GuestCase._number, 'uuid': uuidutils.generate_uuid(), 'project_id': 'p', 'user_id': 'u', 'host': 'h1',
            'node': 'h1', 'flavor': flavor, 'display_name': 'a <server>', 'hostname': 'server', 'metadata': {},
            'root_device_name': '/dev/vda', 'image_ref': image_id, 'config_drive': '', 'system_metadata': kept,
            'security_groups': [], 'keypairs': [],
            **sizes, **values})

    def make_vif(self):
        number = GuestCase._number % 250
        subnet = model.Subnet(cidr='192.0.2.0/24', ips=[model.FixedIP(address=f'192.0.2.{number + 1}')])
        network = model.Network(id=uuidutils.generate_uuid(), bridge=BRIDGE, label='net', subnets=[subnet], mtu=1400)
        port_id = uuidutils.generate_uuid()
        return model.VIF(id=port_id, address=f'fa:16:3e:00:01:{number:02x}', network=network, type='bridge',
                         devname=f'tap{port_id[:11]}', active=True)

    def spawn(self, server, network_info=(), block_device_info=None, injected_files=()):
        network_info = model.NetworkInfo(network_info)
        self.addCleanup(self.driver.destroy, self.context, server, network_info)
        self.driver.spawn(self.context, server, server.image_meta, list(injected_files), 'secret', network_info,
                          block_device_info)
        return server

    def path_of(self, server, name=''):
        return os.path.join(CONF.instances_path, server.uuid, name)

    def document(self, server):
        return self.driver._guest(server).document()

    # Looking ---------------------------------------------------------------------------------------------------------

    def wait_for(self, condition, what, patience_s=None):
        end = time.monotonic() + (patience_s or self.patience_s)
        while not (found := condition()):
            if time.monotonic() > end:
                self.fail(f'{what} did not happen')
            time.sleep(0.1)
        return found

    def console(self, server):
        return self.driver.get_console_output(self.context, server).decode(errors='replace')

    def devices(self):
        return set(os.listdir('/sys/class/net'))

    def assert_nothing_left(self, *servers):
        found = self.driver.find_leftovers([])
        self.assertEqual([], [left for left in found if left['uuid'] in {server.uuid for server in servers}])
        self.assertEqual([], [name for name in self.devices() if name.startswith('tap')])
