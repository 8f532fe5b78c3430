# SPDX-License-Identifier: Apache-2.0
"""From connection info to a disk of a guest."""

import os
import types
import unittest
from unittest import mock

from nova import exception
from nova.conf import CONF
from nova.privsep import volumes as privsep_volumes
from nova.tests.unit.virt.libvirt import base
from nova.virt.libvirt import config, volume

RBD = {'driver_volume_type': 'rbd', 'serial': 's', 'data': {
    'name': 'pool/volume-1', 'hosts': ['192.0.2.1', '192.0.2.2'], 'ports': ['6789', '6789'], 'auth_enabled': True,
    'auth_username': 'cinder', 'secret_uuid': 'a-secret'}}
NFS = {'driver_volume_type': 'nfs', 'serial': 's', 'data': {
    'export': '192.0.2.1:/data', 'name': 'volume-1', 'options': '-o vers=4.2', 'format': 'qcow2'}}
ISCSI = {'driver_volume_type': 'iscsi', 'serial': 's', 'data': {'target_iqn': 'iqn', 'target_lun': 1}}


def xml(info):
    return volume.disk(info, '/dev/vdb', 'virtio').to_xml()


class TestDisks(base.LibvirtCase):
    def test_files_and_devices_of_the_host(self):
        for path, kind, key in (('/volumes/v', 'file', 'file'), ('/dev/sdb', 'block', 'dev')):
            for name in ('file', 'local'):
                found = config.parse(xml({'driver_volume_type': name, 'serial': 's', 'data': {'device_path': path}}))
                self.assertEqual((kind, path, 's', 'vdb'), (
                    found.get('type'), found.find('source').get(key), found.findtext('serial'),
                    found.find('target').get('dev')))

    def test_an_image_of_ceph(self):
        found = config.parse(xml(RBD))
        source = found.find('source')
        self.assertEqual(('network', 'rbd', 'pool/volume-1'), (found.get('type'), source.get('protocol'),
                                                               source.get('name')))
        self.assertEqual([('192.0.2.1', '6789'), ('192.0.2.2', '6789')],
                         [(host.get('name'), host.get('port')) for host in source.findall('host')])
        self.assertEqual(('cinder', 'ceph', 'a-secret'), (
            source.find('auth').get('username'), source.find('auth/secret').get('type'),
            source.find('auth/secret').get('uuid')))

    def test_the_host_may_have_its_own_user_of_ceph(self):
        with mock.patch.object(CONF.libvirt, 'rbd_user', 'nova', create=True), \
                mock.patch.object(CONF.libvirt, 'rbd_secret_uuid', 'own', create=True):
            auth = config.parse(xml(RBD)).find('source/auth')
            open_ = config.parse(xml({**RBD, 'data': {**RBD['data'], 'auth_enabled': False}}))
        self.assertEqual(('nova', 'own'), (auth.get('username'), auth.find('secret').get('uuid')))
        self.assertIsNone(open_.find('source/auth'))

    def test_unknown_types_say_what_is_known(self):
        for info in ({'driver_volume_type': 'tape', 'data': {}}, None, {}):
            with self.assertRaisesRegex(volume.UnknownVolumeType, 'iscsi, iser, local, nfs'):
                volume.disk(info, 'vdb', 'virtio')

    def test_only_files_of_the_host_keep_a_server_there(self):
        local = {'driver_volume_type': 'local', 'serial': 's', 'data': {'device_path': '/dev/sdb'}}
        for info, wanted in ((RBD, {}), (NFS, {}), (ISCSI, {}), (None, {}), (local, {'s': '/dev/sdb'})):
            self.assertEqual(wanted, volume.of_host({'block_device_mapping': [{'connection_info': info}]}))

    def test_a_file_that_is_not_here_is_named(self):
        path = os.path.join(self.directory, 'volume-1')
        info = {'driver_volume_type': 'file', 'serial': 'a-volume', 'data': {'device_path': path}}
        with self.assertRaisesRegex(volume.VolumeUnusable, 'Volume a-volume cannot be used.*No such file.*volume-1'):
            volume.connect(info)
        open(path, 'w').close()
        volume.connect(info)

    def test_files_are_seen_elsewhere_and_devices_are_not(self):
        def require(*found):
            return volume.require_seen({'block_device_mapping': [{'connection_info': {
                'driver_volume_type': 'file', 'serial': f'v{number}', 'data': {'device_path': path}}}
                for number, path in enumerate(found)]}, other)
        other = mock.Mock(address='h2')
        other.shares.side_effect = lambda directory: directory in ('/shared', '/dev')
        require()
        require('/shared/v0', '/shared/v1')
        other.shares.assert_called_once_with('/shared')
        for path in ('/own/v', '/dev/sdb'):
            with self.assertRaisesRegex(volume.VolumeStays, f'Volume v1 is in {path}.* h2 does not see'):
                require('/shared/v0', path)


class TestConditions(base.LibvirtCase):
    """What the volume service says besides where a volume is."""

    def of(self, info=RBD, **said):
        return config.parse(xml({**info, 'data': {**info['data'], **said}}))

    def test_who_may_only_read_only_reads(self):
        for info in (RBD, NFS):
            self.assertIsNotNone(self.of(info, access_mode='ro').find('readonly'))
            for said in ({}, {'access_mode': 'rw'}, {'access_mode': None}):
                self.assertIsNone(self.of(info, **said).find('readonly'))
        with self.assertRaisesRegex(exception.Invalid, "Invalid volume access mode: 'wo'"):
            self.of(access_mode='wo')

    def test_limits_of_its_type_are_kept_by_the_hypervisor(self):
        found = self.of(qos_specs={'total_iops_sec': '500', 'read_bytes_sec_max': 1024, 'consumer': 'front-end'})
        self.assertEqual({'total_iops_sec': '500', 'read_bytes_sec_max': '1024'},
                         {limit.tag: limit.text for limit in found.find('iotune')})
        for said in ({}, {'qos_specs': None}, {'qos_specs': {}}, {'qos_specs': {'minIOPS': '1'}}):
            self.assertIsNone(self.of(**said).find('iotune'))

    def test_what_is_to_be_encrypted_is_not_written_in_plain(self):
        secret = {**RBD, 'data': {**RBD['data'], 'encrypted': True}}
        with self.assertRaisesRegex(exception.Invalid, 'Volume s is encrypted'):
            volume.connect(secret)
        with self.assertRaises(exception.Invalid):
            volume.connect_all({'block_device_mapping': [{'connection_info': secret}]})
        for said in (False, None):
            volume.connect({**RBD, 'data': {**RBD['data'], 'encrypted': said}})


class TestNfs(base.LibvirtCase):
    def setUp(self):
        super().setUp()
        self.mount = self._patch('mount')
        self.umount = self._patch('umount')

    def _patch(self, name):
        patch = mock.patch.object(privsep_volumes, name)
        self.addCleanup(patch.stop)
        return patch.start()

    def test_mounted_for_the_first_and_gone_with_the_last(self):
        second = {**NFS, 'data': {**NFS['data'], 'name': 'volume-2'}}
        for info in (NFS, second):
            volume.connect(info)
        self.mount.assert_called_with('192.0.2.1:/data', 'vers=4.2')
        source = config.parse(xml(NFS)).find('source').get('file')
        self.assertEqual(f'{privsep_volumes.place("192.0.2.1:/data")}/volume-1', source)
        volume.disconnect(NFS)
        volume.disconnect(NFS)
        self.umount.assert_not_called()
        volume.disconnect(second)
        self.umount.assert_called_once_with('192.0.2.1:/data')

    def test_names_do_not_leave_the_export(self):
        found = config.parse(xml({**NFS, 'data': {**NFS['data'], 'name': '../../etc/shadow'}}))
        self.assertEqual(f'{privsep_volumes.place("192.0.2.1:/data")}/shadow', found.find('source').get('file'))

    def test_what_fails_names_the_volume(self):
        self.mount.side_effect = ValueError('no export')
        with self.assertRaisesRegex(volume.VolumeUnusable, 'Volume s .*no export'):
            volume.connect(NFS)


class TestPrivileged(unittest.TestCase):
    def test_hostile_exports_and_options_are_refused(self):
        for export in ('-o,loop', 'host', '/etc', 'host:/a\nb', ''):
            with self.assertRaises(ValueError):
                privsep_volumes.place(export)
        with self.assertRaises(ValueError):
            privsep_volumes.mount('host:/a', 'exec suid')


class TestBrick(base.LibvirtCase):
    """os-brick as it is called; what it does with storage needs storage."""

    def test_a_device_comes_and_goes(self):
        maker = mock.Mock()
        maker.connect_volume.return_value = {'path': '/dev/disk/by-id/x', 'type': 'block'}
        brick = types.SimpleNamespace(InitiatorConnector=types.SimpleNamespace(factory=mock.Mock(return_value=maker)))
        info = {**ISCSI, 'data': dict(ISCSI['data'])}
        with mock.patch.object(privsep_volumes, '_connectors', return_value=brick), \
                mock.patch.object(privsep_volumes.privsep.sys_admin_pctxt, 'client_mode', False):
            volume.connect(info)
            found = config.parse(xml(info))
            volume.disconnect(info)
        self.assertEqual(('block', '/dev/disk/by-id/x'), (found.get('type'), found.find('source').get('dev')))
        maker.disconnect_volume.assert_called_once_with(info['data'], {'path': '/dev/disk/by-id/x'})

    def test_without_it_hosts_say_what_they_are_and_volumes_say_what_is_missing(self):
        missing = privsep_volumes.BrickMissing('no os-brick')
        with mock.patch.object(privsep_volumes, '_connectors', side_effect=missing), \
                mock.patch.object(privsep_volumes.privsep.sys_admin_pctxt, 'client_mode', False):
            self.assertEqual({'host': 'h'}, volume.connector({'host': 'h'}))
            with self.assertRaisesRegex(volume.VolumeUnusable, 'no os-brick'):
                volume.connect(ISCSI)


class TestAll(base.LibvirtCase):
    def test_one_that_fails_leaves_none_connected(self):
        good, bad = {**RBD, 'serial': 'good'}, {'driver_volume_type': 'tape', 'data': {}}
        with mock.patch.object(volume, 'disconnect') as disconnect, self.assertRaises(volume.UnknownVolumeType):
            volume.connect_all({'block_device_mapping': [{'connection_info': good}, {'connection_info': bad}]})
        self.assertEqual([mock.call(good), mock.call(bad)], disconnect.call_args_list)

    def test_what_is_gone_does_not_keep_a_guest(self):
        volume.disconnect_all({'block_device_mapping': [{'connection_info': None}, {'connection_info': {
            'driver_volume_type': 'tape', 'data': {}}}]})

    def test_a_guest_that_comes_uses_the_sources_of_this_host(self):
        root = config.parse("<domain><devices><disk type='block'><source dev='/dev/there'/><target dev='vdb'/>"
                            "<serial>s</serial></disk><disk type='file'><source file='f'/></disk></devices></domain>")
        volume.put_sources(root, volume.sources({'block_device_mapping': [{'connection_info': RBD}]}))
        first, other = root.findall('devices/disk')
        self.assertEqual(('network', 'pool/volume-1'), (first.get('type'), first.find('source').get('name')))
        self.assertEqual(('file', 'f', 'vdb'), (other.get('type'), other.find('source').get('file'),
                                                first.find('target').get('dev')))
