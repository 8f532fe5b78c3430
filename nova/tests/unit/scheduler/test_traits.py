# SPDX-License-Identifier: Apache-2.0
"""Which traits a server needs that nobody named, and where it goes therefore."""

import pytest

from nova.conf import CONF
from nova.scheduler import request, traits
from nova.scheduler.diagnosis import Refusal
from nova.scheduler.filters import traits_filter
from nova.tests.unit.scheduler import world
from nova.virt import driver, fake, shapes
from nova.virt.libvirt import traits as libvirt_traits

TPM, BOOT = 'COMPUTE_SECURITY_TPM_2_0', 'COMPUTE_SECURITY_UEFI_SECURE_BOOT'
UEFI, BUS = 'COMPUTE_FIRMWARE_UEFI', 'COMPUTE_STORAGE_BUS_'

#: (extra specs, image properties, traits), whatever is configured.
ALWAYS = [
    ({}, {}, set()),
    ({'hw:tpm_version': '2.0'}, {}, {TPM}),
    ({}, {'hw_tpm_version': '1.2'}, {'COMPUTE_SECURITY_TPM_1_2'}),
    ({'hw:tpm_version': '2.0', 'hw:tpm_model': 'tpm-crb'}, {}, {TPM, 'COMPUTE_SECURITY_TPM_CRB'}),
    ({'hw:tpm_version': '2.0'}, {'hw_tpm_version': '2.0', 'hw_tpm_model': 'tpm-tis'},
     {TPM, 'COMPUTE_SECURITY_TPM_TIS'}),
    ({'os:secure_boot': 'required'}, {'hw_firmware_type': 'uefi'}, {BOOT}),
    ({}, {'os_secure_boot': 'required', 'hw_firmware_type': 'uefi'}, {BOOT}),
    ({'os:secure_boot': 'optional'}, {}, set()),
    ({'os:secure_boot': 'disabled'}, {}, set()),
    # Those named are needed as well.
    ({'hw:tpm_version': '2.0', 'trait:CUSTOM_FAST': 'required'}, {}, {TPM, 'CUSTOM_FAST'}),
    # What cannot be is said by the host.
    ({'hw:tpm_version': '3'}, {}, set()),
    ({'hw:tpm_version': '1.2'}, {'hw_tpm_version': '2.0'}, set()),
]
#: (image properties, traits) with [scheduler]image_metadata_prefilter.
OF_IMAGES = [
    ({}, set()),
    ({'hw_firmware_type': 'uefi'}, {UEFI}),
    ({'hw_firmware_type': 'bios'}, {'COMPUTE_FIRMWARE_BIOS'}),
    ({'hw_disk_bus': 'virtio', 'hw_cdrom_bus': 'sata'}, {f'{BUS}VIRTIO', f'{BUS}SATA'}),
    ({'hw_video_model': 'virtio', 'hw_vif_model': 'VirtualE1000'},
     {'COMPUTE_GRAPHICS_MODEL_VIRTIO', 'COMPUTE_NET_VIF_MODEL_E1000'}),
    ({'hw_video_model': 'none'}, set()),
    ({'hw_disk_bus': 'floppynet'}, set()),
]


def required(specs=None, properties=None, **values):
    return world.make_request(extra_specs=specs or {}, image=properties or {}, **values).required_traits


@pytest.fixture
def options():
    names = []

    def set_option(name):
        names.append(name)
        CONF.set_override(name, True, 'scheduler')
    yield set_option
    for name in names:
        CONF.clear_override(name, 'scheduler')


@pytest.mark.parametrize('specs, properties, expected', ALWAYS)
def test_what_follows_from_flavor_and_image(specs, properties, expected):
    assert required(specs, properties) == expected


@pytest.mark.parametrize('properties, expected', OF_IMAGES)
def test_what_follows_from_images_where_that_is_wanted(options, properties, expected):
    assert required({}, properties) == set()
    options('image_metadata_prefilter')
    assert required({}, properties) == expected


@pytest.mark.parametrize('disk_format, is_bfv, expected', [
    ('qcow2', False, {'COMPUTE_IMAGE_TYPE_QCOW2'}), ('raw', False, {'COMPUTE_IMAGE_TYPE_RAW'}),
    ('ari', False, set()), (None, False, set()), ('qcow2', True, set())])
def test_the_format_of_the_image(options, disk_format, is_bfv, expected):
    spec = world.make_spec(is_bfv=is_bfv)
    spec.image.disk_format = disk_format
    assert request.Request(None, spec).required_traits == set()
    options('query_placement_for_image_type_support')
    assert request.Request(None, spec).required_traits == expected
    spec.image = None
    assert request.Request(None, spec).required_traits == set()


def test_hosts_that_cannot_are_passed_over():
    wanted = world.make_request(extra_specs={'hw:tpm_version': '2.0', 'os:secure_boot': 'required'},
                                image={'hw_firmware_type': 'uefi'})
    asked = traits_filter.TraitsFilter()
    assert asked.applies(wanted)
    for has, missing in (((TPM, BOOT), None), ((TPM,), BOOT), ((BOOT,), TPM), ((), f'{TPM}, {BOOT}')):
        refused = asked.refuse(world.make_state(traits=list(has)), wanted)
        assert refused == (missing and Refusal('traits', word=f'without {missing}'))


def test_hosts_tell_of_all_that_is_asked_for():
    """Otherwise nothing would ever be placed."""
    told = shapes.all_traits()
    assert told <= fake.FakeDriver(None).get_traits('node')
    assert {f'COMPUTE_IMAGE_TYPE_{name.upper()}' for name in traits.IMAGE_FORMATS} <= set(
        driver.CAPABILITY_TRAITS.values())
    for name in (*traits.ALWAYS, *traits.OF_IMAGES):
        for value in shapes.TABLE[name].kind.values:
            assert shapes.trait(name, value) in (None, *told)
    assert {*libvirt_traits._ENUMS.values(), *libvirt_traits._TPM_ENUMS.values()} <= set(shapes.TRAITS)
