# SPDX-License-Identifier: Apache-2.0
"""The config drive, read back with the tools of those who read it."""

import base64
import json
import subprocess

import pytest

from nova.conf import CONF
from nova.metadata import content
from nova.network import model
from nova.tests import database as make
from nova.virt import configdrive


@pytest.fixture
def server(database):
    return make.server(user_data=base64.b64encode(b'#!/bin/sh\n').decode(), hostname='web', metadata={'role': 'web'},
                       keypairs=[{'name': 'k', 'type': 'ssh', 'public_key': 'ssh-rsa AAAA'}])


@pytest.fixture
def network_info():
    subnet = model.Subnet(cidr='10.0.0.0/24', gateway=model.IP(address='10.0.0.1'), dns=[model.IP(address='8.8.8.8')],
                          ips=[model.FixedIP(address='10.0.0.5')])
    return model.NetworkInfo([model.VIF(id='v', address='fa:16:3e:00:00:01', devname='tapv', type='bridge',
                                        network=model.Network(id='n', bridge='br100', label='private',
                                                              subnets=[subnet]))])


def read(path, name):
    if CONF.config_drive_format == 'vfat':
        return subprocess.run(['mtype', '-i', path, f'::/{name}'], check=True, capture_output=True).stdout
    return subprocess.run(['isoinfo', '-J', '-i', path, '-x', f'/{name}'], check=True, capture_output=True).stdout


@pytest.mark.parametrize('kind', ['iso9660', 'vfat'])
def test_a_drive_tells_what_the_service_tells(server, network_info, tmp_path, kind):
    CONF.set_override('config_drive_format', kind)
    try:
        path = str(tmp_path / 'disk.config')
        configdrive.write(make.admin(), server, path, network_info, [('/etc/motd', b'hello')], 'secret')
        found = json.loads(read(path, 'openstack/latest/meta_data.json'))
        assert found['uuid'] == server.uuid
        assert found['hostname'] == 'web.novalocal'
        assert found['meta'] == {'role': 'web'}
        assert found['public_keys'] == {'k': 'ssh-rsa AAAA'}
        assert found['admin_pass'] == 'secret'
        assert found['files'] == [{'path': '/etc/motd', 'content_path': '/content/0000'}]
        assert read(path, 'openstack/latest/user_data') == b'#!/bin/sh\n'
        assert read(path, 'openstack/content/0000') == b'hello'
        network = json.loads(read(path, 'openstack/latest/network_data.json'))
        assert network['networks'][0]['ip_address'] == '10.0.0.5'
        assert network['links'][0]['ethernet_mac_address'] == 'fa:16:3e:00:00:01'
        label = subprocess.run(['blkid', '-o', 'value', '-s', 'LABEL', path], capture_output=True, text=True,
                               check=True)
        assert label.stdout.strip() == 'config-2'
        assert [one.name for one in tmp_path.glob('disk*')] == ['disk.config']
    finally:
        CONF.clear_override('config_drive_format')


class TestTrees:
    def test_ec2(self, server, network_info):
        tree = content.InstanceMetadata(server, network_info, address='10.0.0.5')
        assert tree.lookup('/latest/meta-data/instance-id') == f'i-{server.id:08x}'.encode()
        assert tree.lookup('/latest/meta-data/local-ipv4') == b'10.0.0.5'
        assert tree.lookup('/latest/meta-data/public-keys/0/openssh-key') == b'ssh-rsa AAAA'
        assert tree.lookup('/2009-04-04/meta-data/public-keys/') == b'0=k'
        assert b'placement/' in tree.lookup('/latest/meta-data/')
        assert tree.lookup('/latest/user-data') == b'#!/bin/sh\n'
        assert b'latest' in tree.lookup('/')
        for path in ('/nonsense', '/latest/meta-data/nothing', '/latest/meta-data/hostname/x'):
            with pytest.raises(content.Missing):
                tree.lookup(path)

    def test_openstack(self, server, network_info):
        tree = content.InstanceMetadata(server, network_info, vendor_data={'a': 1})
        assert b'2018-08-27' in tree.lookup('/openstack')
        assert b'network_data.json' not in tree.lookup('/openstack/2013-10-17/')
        assert json.loads(tree.lookup('/openstack/latest/vendor_data.json')) == {'a': 1}
        for path in ('/openstack/1999-01-01/', '/openstack/latest/nothing', '/openstack/content/0007'):
            with pytest.raises(content.Missing):
                tree.lookup(path)
