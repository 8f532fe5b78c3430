# SPDX-License-Identifier: Apache-2.0
"""What is taken as a disk image, and what is refused, with real files."""

import contextlib
import os
import struct
import subprocess

import pytest

from nova import exception
from nova.image import format_inspect

GOOD = [
    # declared, made as, options, disk in MiB
    ('raw', 'raw', (), 16),
    ('qcow2', 'qcow2', (), 16),
    ('qcow2', 'qcow2', ('compat=0.10',), 16),
    ('vmdk', 'vmdk', ('subformat=monolithicSparse',), 16),
    ('vhd', 'vpc', ('subformat=dynamic', 'force_size=on'), 16),
    ('vhdx', 'vhdx', ('subformat=dynamic',), 16),
    ('vdi', 'vdi', (), 16),
    ('vdi', 'vdi', ('static=on',), 16),
]


@pytest.mark.parametrize('declared, made, settings, size_mb', GOOD)
def test_an_honest_image_is_taken_with_its_disk_size(make_image, declared, made, settings, size_mb):
    found = format_inspect.inspect_file(make_image('disk', made, f'{size_mb}M', *settings), declared)
    assert (found.format, found.virtual_size) == (declared, size_mb << 20)


def test_a_stream_optimized_vmdk_is_taken(make_image, tmp_path):
    raw = make_image('raw', 'raw', '4M')
    raw.write_bytes(os.urandom(4 << 20))
    target = tmp_path / 'disk.vmdk'
    subprocess.run(['qemu-img', 'convert', '-O', 'vmdk', '-o', 'subformat=streamOptimized', raw, target], check=True)
    assert format_inspect.inspect_file(target, 'vmdk').virtual_size == 4 << 20


def test_a_fixed_vhd_is_known_by_its_end(make_image):
    path = make_image('disk', 'vpc', '16M', 'subformat=fixed', 'force_size=on')
    assert format_inspect.inspect_file(path, 'vhd').format == 'vhd'


def test_a_cd_image_is_taken_as_iso_and_as_raw(tmp_path):
    (tmp_path / 'tree').mkdir()
    (tmp_path / 'tree' / 'file').write_text('x')
    path = tmp_path / 'cd.iso'
    subprocess.run(['genisoimage', '-quiet', '-o', path, tmp_path / 'tree'], check=True)
    assert format_inspect.inspect_file(path, 'iso').format == 'iso'
    assert format_inspect.inspect_file(path, 'raw').format == 'raw'


@pytest.mark.parametrize('declared', ['raw', 'ami', 'aki'])
def test_a_boot_sector_makes_no_other_format_of_a_plain_disk(tmp_path, declared):
    path = tmp_path / 'disk'
    path.write_bytes(bytes(510) + b'\x55\xaa' + bytes(1 << 20))
    assert format_inspect.inspect_file(path, declared).format == declared


@pytest.mark.parametrize('content', [b'', b'x', b'text\n' * 300, os.urandom(3 << 20)])
def test_any_plain_content_is_raw(tmp_path, content):
    path = tmp_path / 'disk'
    path.write_bytes(content)
    assert format_inspect.inspect_file(path, 'raw') == ('raw', len(content), len(content))


@pytest.mark.parametrize('made', ['qcow2', 'vmdk', 'vpc', 'vhdx', 'vdi', 'qed'])
@pytest.mark.parametrize('declared', ['raw', 'ami', 'ari', 'iso'])
def test_a_plain_declaration_does_not_hide_another_format(make_image, declared, made):
    path = make_image('disk', made, '4M')
    with pytest.raises(exception.ImageUnacceptable, match=f'disk_format is {declared}, and its content is'):
        format_inspect.inspect_file(path, declared)


def test_an_encrypted_disk_is_not_raw(tmp_path):
    path = tmp_path / 'disk'
    path.write_bytes(b'LUKS\xba\xbe\0\1'.ljust(1 << 20, b'\0'))
    with pytest.raises(exception.ImageUnacceptable, match='content is luks'):
        format_inspect.inspect_file(path, 'raw')


def test_a_wrong_declaration_names_what_was_found(make_image):
    with pytest.raises(exception.ImageUnacceptable, match='Image the-id is unacceptable: .*content is not vmdk'):
        format_inspect.inspect_file(make_image('disk', 'qcow2'), 'vmdk', 'the-id')
    with pytest.raises(exception.ImageUnacceptable, match='disk_format is qcow2, and its content is vdi'):
        format_inspect.inspect_file(make_image('disk', 'vdi'), 'qcow2')


def test_a_backing_file_is_refused(make_image):
    base = make_image('base', 'raw')
    path = make_image('disk', 'qcow2', '16M', args=('-b', str(base), '-F', 'raw'))
    with pytest.raises(exception.ImageUnacceptable, match='backing file'):
        format_inspect.inspect_file(path, 'qcow2')


def test_a_data_file_is_refused(make_image, tmp_path):
    path = make_image('disk', 'qcow2', '16M', f'data_file={tmp_path}/data', 'data_file_raw=on')
    with pytest.raises(exception.ImageUnacceptable, match='data_file'):
        format_inspect.inspect_file(path, 'qcow2')


def test_an_unknown_feature_is_refused(make_image):
    path = make_image('disk', 'qcow2')
    content = bytearray(path.read_bytes())
    content[72:80] = struct.pack('>Q', 1 << 40)
    path.write_bytes(content)
    with pytest.raises(exception.ImageUnacceptable, match='[Uu]nknown'):
        format_inspect.inspect_file(path, 'qcow2')


@pytest.mark.parametrize('kind', ['monolithicFlat', 'twoGbMaxExtentSparse'])
def test_a_vmdk_with_its_data_elsewhere_is_refused(make_image, kind):
    path = make_image('disk.vmdk', 'vmdk', '4M', f'subformat={kind}')
    with pytest.raises(exception.ImageUnacceptable, match='subformat'):
        format_inspect.inspect_file(path, 'vmdk')


FLAT_VMDK = b'''# Disk DescriptorFile
version=1
CID=12345678
parentCID=ffffffff
createType="%s"
RW 8192 FLAT "/etc/shadow" 0
ddb.virtualHWVersion = "4"
'''


@pytest.mark.parametrize('kind, reason', [(b'monolithicFlat', 'subformat'), (b'monolithicSparse', 'extent')])
@pytest.mark.parametrize('padding', [b'', b'# more words\n' * 10000])
def test_a_vmdk_that_names_a_file_of_the_host_is_refused(tmp_path, kind, reason, padding):
    path = tmp_path / 'disk.vmdk'
    head, tail = (FLAT_VMDK % kind).split(b'CID', 1)
    path.write_bytes(head + padding + b'CID' + tail)
    with pytest.raises(exception.ImageUnacceptable, match=reason):
        format_inspect.inspect_file(path, 'vmdk')
    with pytest.raises(exception.ImageUnacceptable, match='content is vmdk'):
        format_inspect.inspect_file(path, 'raw')


def test_text_that_cannot_be_judged_is_refused(tmp_path):
    path = tmp_path / 'disk'
    path.write_bytes(b'words ' * 200 + b'\xff\xfe')
    with pytest.raises(exception.ImageUnacceptable, match='cannot be inspected'):
        format_inspect.inspect_file(path, 'raw')


def test_a_vhd_with_a_parent_is_refused(make_image):
    path = make_image('disk', 'vpc', '16M', 'subformat=dynamic')
    content = bytearray(path.read_bytes())
    content[60:64] = struct.pack('>I', 4)
    path.write_bytes(content)
    with pytest.raises(exception.ImageUnacceptable, match='VHD of type 4'):
        format_inspect.inspect_file(path, 'vhd')


def test_a_vdi_with_a_parent_is_refused(make_image):
    path = make_image('disk', 'vdi')
    content = bytearray(path.read_bytes())
    content[76:80] = struct.pack('<I', 4)
    path.write_bytes(content)
    with pytest.raises(exception.ImageUnacceptable, match='VDI of type 4'):
        format_inspect.inspect_file(path, 'vdi')


def test_a_vhdx_with_a_parent_is_refused(make_image):
    path = make_image('disk', 'vhdx')
    content = bytearray(path.read_bytes())
    guid = bytes.fromhex('3767a1ca36fa434db3b633f0aa44e76b')
    entry = content.index(guid)
    table = content.index(b'metadata')
    at = table + struct.unpack('<I', content[entry + 16:entry + 20])[0]
    content[at + 4:at + 8] = struct.pack('<I', 2)
    path.write_bytes(content)
    with pytest.raises(exception.ImageUnacceptable, match='VHDX with a parent'):
        format_inspect.inspect_file(path, 'vhdx')


@pytest.mark.parametrize('fmt', ['qcow2', 'vdi', 'vhdx', 'vmdk'])
def test_a_disk_larger_than_the_limit_is_refused(make_image, options, fmt):
    options('image', max_virtual_size_gb=10)
    path = make_image('disk', fmt, '11G')
    with pytest.raises(exception.ImageUnacceptable, match='its disk has 11 GiB, the most that is taken is 10 GiB'):
        format_inspect.inspect_file(path, fmt)


def test_a_petabyte_is_refused_by_default(make_image):
    with pytest.raises(exception.ImageUnacceptable, match='1,048,576 GiB'):
        format_inspect.inspect_file(make_image('disk', 'qcow2', '1P'), 'qcow2')


@pytest.mark.parametrize('made', ['qcow2', 'vmdk', 'vpc', 'vhdx', 'vdi'])
@pytest.mark.parametrize('length', [80, 100, 513, 70000])
def test_a_file_cut_off_is_still_no_plain_disk(make_image, made, length):
    path = make_image('disk', made, '4M')
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(exception.ImageUnacceptable):
        format_inspect.inspect_file(path, 'raw')
    with contextlib.suppress(exception.ImageUnacceptable):
        format_inspect.inspect_file(path, 'vhd' if made == 'vpc' else made)


@pytest.mark.parametrize('declared', ['qed', 'ploop', 'vpc', '', None, 'RAW'])
def test_only_known_formats_can_be_declared(tmp_path, declared):
    with pytest.raises(exception.InvalidDiskFormat, match='not one of aki, ami'):
        format_inspect.inspect_file(tmp_path, declared)


def test_the_beginning_is_enough_to_refuse(make_image):
    inspector = format_inspect.Inspector('the-id', 'raw')
    inspector.feed(make_image('disk', 'qcow2').read_bytes().ljust(2 << 20, b'\0'))
    with pytest.raises(exception.ImageUnacceptable):
        inspector.check()


def test_a_large_plain_file_is_not_read_to_its_end(tmp_path):
    path = tmp_path / 'disk'
    with open(path, 'wb') as target:
        target.write(os.urandom(1 << 20))
        target.truncate(900 << 30)
    assert format_inspect.inspect_file(path, 'raw').size == 900 << 30


def test_a_file_larger_than_the_limit_is_refused(tmp_path, options):
    options('image', max_size_gb=1)
    path = tmp_path / 'disk'
    with open(path, 'wb') as target:
        target.truncate((1 << 30) + 1)
    with pytest.raises(exception.ImageUnacceptable, match='larger than 1 GiB'):
        format_inspect.inspect_file(path, 'raw')
