# SPDX-License-Identifier: Apache-2.0
"""Servers and hosts for the tests of the libvirt driver."""

import os
import shutil
import tempfile
import unittest

from oslo_utils import uuidutils

from nova import conf, context, objects
from nova.network import model
from nova.virt.libvirt import config

CONF = conf.CONF

_CAPABILITIES = """
<capabilities>
  <host>
    <uuid>0f0e0d0c-0b0a-4908-8706-050403020100</uuid>
    <cpu><arch>x86_64</arch><model>EPYC</model><vendor>AMD</vendor><topology sockets='1' dies='1' cores='4'
    threads='2'/>
      <feature name='sse'/><feature name='aes'/></cpu>
    <topology><cells num='1'><cell id='0'/></cells></topology>
  </host>
  <guest><os_type>hvm</os_type><arch name='i686'><domain type='qemu'/></arch></guest>
  <guest><os_type>hvm</os_type><arch name='x86_64'><domain type='qemu'/><domain type='kvm'/></arch></guest>
</capabilities>
"""

_DOMAIN_CAPABILITIES = """
<domainCapabilities><devices><video supported='yes'><enum name='modelType'>
  <value>vga</value><value>virtio</value></enum></video></devices></domainCapabilities>
"""


class FakeHost:
    """What the domain is made for: an ordinary x86_64 machine."""

    arch = 'x86_64'
    hostname = 'h1'
    capabilities = config.parse(_CAPABILITIES)

    def domain_capabilities(self, arch, machine_type, virt_type):
        return config.parse(_DOMAIN_CAPABILITIES)


class LibvirtCase(unittest.TestCase):
    def setUp(self):
        super().setUp()
        self.directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.directory)
        self.options(state_path=self.directory)
        os.makedirs(CONF.instances_path)
        self.context = context.get_admin_context()

    def options(self, group=None, **values):
        for name, value in values.items():
            CONF.set_override(name, value, group)
            self.addCleanup(CONF.clear_override, name, group)


def make_server(specs=None, properties=None, **values):
    sizes = {'memory_mb': 64, 'vcpus': 1, 'root_gb': 1, 'ephemeral_gb': 0, 'swap': 0}
    sizes.update({name: values.pop(name) for name in list(values) if name in sizes})
    flavor = objects.Flavor(id=1, name='tiny', flavorid='1', extra_specs=specs or {}, **sizes)
    sizes.pop('swap')
    kept = {f'image_{name}': value for name, value in (properties or {}).items()}
    return objects.Instance(context.get_admin_context(), **{
        'id': 7, 'uuid': uuidutils.generate_uuid(), 'project_id': 'p', 'user_id': 'u', 'host': 'h1', 'node': 'h1',
        'flavor': flavor, 'display_name': 'server', 'hostname': 'server', 'metadata': {}, 'config_drive': '',
        'root_device_name': '/dev/vda', 'image_ref': uuidutils.generate_uuid(), 'system_metadata': kept, **sizes,
        **values})


def make_vif(**network):
    subnet = model.Subnet(cidr='192.0.2.0/24', ips=[model.FixedIP(address='192.0.2.9')])
    return model.VIF(id='aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee', address='fa:16:3e:00:00:01', type='bridge',
                     network=model.Network(**{'id': 'n', 'bridge': 'br100', 'label': 'net', 'subnets': [subnet],
                                              **network}))
