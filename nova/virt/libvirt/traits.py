# SPDX-License-Identifier: Apache-2.0
"""What guests of this host can have, as traits: names that flavors and images require or forbid.

All comes from what libvirt says of guests of the configured type; the tables only give its words the names of traits.
"""

from nova import conf
from nova.virt import driver, shapes
from nova.virt.libvirt import shares, topology

CONF = conf.CONF

_X86 = 'HW_CPU_X86_'
_SAME_NAME = (
    '3dnow', 'abm', 'avx', 'avx2', 'avx512bitalg', 'avx512bw', 'avx512cd', 'avx512dq', 'avx512er', 'avx512f',
    'avx512ifma', 'avx512pf', 'avx512vbmi', 'avx512vbmi2', 'avx512vl', 'avx512vnni', 'bmi2', 'f16c', 'fma4', 'gfni',
    'mmx', 'mpx', 'pcid', 'pdpe1gb', 'sgx', 'ssbd', 'sse', 'sse2', 'sse4a', 'ssse3', 'stibp', 'svm', 'tbm', 'vmx',
    'xop')
#: CPU features, as libvirt calls them -> traits.
CPU_FEATURES = {
    **{name: f'{_X86}{name.upper()}' for name in _SAME_NAME},
    **{name: f'{_X86}{trait}' for name, trait in (
        ('aes', 'AESNI'), ('avx512-vpopcntdq', 'AVX512VPOPCNTDQ'), ('bmi1', 'BMI'), ('fma', 'FMA3'), ('hle', 'TSX'),
        ('pclmuldq', 'CLMUL'), ('pni', 'SSE3'), ('rtm', 'TSX'), ('sha-ni', 'SHA'), ('sse4.1', 'SSE41'),
        ('sse4.2', 'SSE42'), ('vaes', 'AVX512VAES'), ('vpclmulqdq', 'AVX512VPCLMULQDQ'))},
}
#: Where the values of a property stand in domain capabilities.
_ENUMS = {
    "devices/video/enum[@name='modelType']/value": 'video_model',
    "devices/disk/enum[@name='bus']/value": 'disk_bus',
}
_TPM_ENUMS = {
    "devices/tpm/enum[@name='model']/value": 'tpm_model',
    "devices/tpm/enum[@name='backendVersion']/value": 'tpm_version',
}
#: Guests of this host can have shared file systems.
SHARES = driver.CAPABILITY_TRAITS['supports_shares']
# Machines that differ in what they can have; where there is none of them, the default one is asked about.
_MACHINES = ('pc', 'q35')


def of(host):
    """Names of traits, a set.  Empty for containers, which have nothing of this."""
    if CONF.libvirt.virt_type == 'lxc':
        return set()
    found = {f'COMPUTE_ARCH_{host.arch.upper()}'}
    found.update(shapes.trait('vif_model', model) for model in shapes.VIF_MODELS)
    known = topology.machine_types(host.capabilities, host.arch)
    for machine_type in [name for name in _MACHINES if name in known] or [None]:
        kind = host.arch, machine_type, CONF.libvirt.virt_type
        capabilities = host.domain_capabilities(*kind)
        found |= _of_devices(capabilities) | _of_firmware(capabilities) | _of_memory(capabilities)
        found |= of_features(host.guest_cpu_features(*kind))
    return found


def of_features(names):
    """Traits of CPU features, a set."""
    return {CPU_FEATURES[name] for name in names if name in CPU_FEATURES}


def _of_devices(capabilities):
    paths = {**_ENUMS, **(_TPM_ENUMS if CONF.libvirt.swtpm_enabled else {})}
    return {shapes.trait(name, value.text) for path, name in paths.items()
            for value in capabilities.iterfind(path)} - {None}


def _of_firmware(capabilities):
    found = {shapes.trait('firmware_type', 'bios')}
    if any(value.text == 'efi' for value in capabilities.iterfind("os/enum[@name='firmware']/value")):
        found.add(shapes.trait('firmware_type', 'uefi'))
        if any(value.text == 'yes' for value in capabilities.iterfind("os/loader/enum[@name='secure']/value")):
            found.add(shapes.SECURE_BOOT)
    return found


def _of_memory(capabilities):
    found = {'COMPUTE_MEM_BACKING_FILE'} if shares.can_open_memory(capabilities) else set()
    return found | ({SHARES} if shares.are_possible(capabilities) else set())
