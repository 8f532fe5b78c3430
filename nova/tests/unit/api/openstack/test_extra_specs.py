# SPDX-License-Identifier: Apache-2.0
"""Which extra specs mean something."""

import pytest

from nova.api.openstack import extra_specs
from nova.api.openstack.errors import Refused


@pytest.mark.parametrize('key, value', [
    ('hw:cpu_policy', 'dedicated'), ('hw:cpu_cores', '4'), ('hw:mem_page_size', 'large'), ('hw:mem_page_size', '2MB'),
    ('hw:mem_page_size', '2048'), ('hw:numa_nodes', '2'), ('hw:numa_cpus.0', '0-3,^1'), ('hw:numa_mem.1', '512'),
    ('hw:cpu_realtime_mask', '^0-1'), ('hw:boot_menu', 'True'), ('hw_rng:allowed', 'yes'), ('quota:cpu_quota', '-1'),
    ('quota:disk_read_iops_sec', '100'), ('resources:VCPU', '2'), ('resources1:CUSTOM_GOLD', '0'),
    ('resources_net:VGPU', '1'), ('trait:HW_CPU_X86_AVX', 'required'), ('trait2:CUSTOM_X', 'forbidden'),
    ('pci_passthrough:alias', 'gpu:1, nic:2'), ('capabilities:cpu_info:features', '<in> aes'),
    ('aggregate_instance_extra_specs:ssd', 'true'), ('os:secure_boot', 'required'), ('mine:anything', '?'),
    ('plain', 'x'), ('hw:tpm_version', '2.0')])
def test_good(key, value):
    extra_specs.check({key: value})


@pytest.mark.parametrize('key, value, says', [
    ('hw:cpu_policy', 'sometimes', 'one of dedicated, mixed, shared'), ('hw:cpu_cores', '0', 'a whole number from 1'),
    ('hw:cpu_cores', '4\n', 'a whole number'), ('hw:nonsense', 'x', 'not known'), ('hw:', 'x', 'not known'),
    ('resources:VCPU', '-1', 'a whole number'), ('resources:vcpu', '1', 'not known'),
    ('trait:CUSTOM_X', 'preferred', 'one of required, forbidden'), ('hw:numa_cpus.x', '0', 'not known'),
    ('pci_passthrough:alias', 'gpu', 'aliases'), ('os:secure_boot', 'yes', 'one of'), ('hw:pmu', '2', 'true or false'),
    ('accel:nonsense', 'x', 'not known')])
def test_refused_with_the_key_and_what_is_allowed(key, value, says):
    with pytest.raises(Refused) as refused:
        extra_specs.check({'plain': 'x', key: value})
    assert f'extra_specs.{key}: ' in refused.value.message
    assert says in refused.value.message
