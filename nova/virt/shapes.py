# SPDX-License-Identifier: Apache-2.0
"""How flavors and images shape a guest: each property, what it may say, and who decides when both say something.

One row of `TABLE` is one property; `value` reads it, `check` reads all that were given.  What a hypervisor makes of it
is the driver's.  `ELSEWHERE` names the properties that others read, `REFUSED` those that we know and do not have: a
guest that asked for encrypted memory must not get plain memory without a word.
"""

import dataclasses
import re

from nova import exception

#: Who decides when flavor and image say different things.
IMAGE, FLAVOR, SAME = 'the image', 'the flavor', 'both must say the same'

_TRUE = frozenset(('1', 't', 'true', 'on', 'y', 'yes'))
_FALSE = frozenset(('0', 'f', 'false', 'off', 'n', 'no', ''))


class ShapeInvalid(exception.Invalid):
    msg_fmt = '%(what)s: %(value)r is not one of %(known)s.'


class ShapesDisagree(exception.Invalid):
    msg_fmt = '%(image_key)s of the image is %(image)s, and %(flavor_key)s of the flavor is %(flavor)s.'


class ShapesDoNotFit(exception.Invalid):
    msg_fmt = '%(what)s: %(reason)s'


class Refused(exception.Invalid):
    msg_fmt = '%(what)s: %(reason)s'


@dataclasses.dataclass(frozen=True)
class Kind:
    """words: what is allowed, as after "is not one of"; read: f(text), which raises ValueError; values: all there are,
    where they can be counted."""

    words: str
    read: object
    values: tuple = ()


def one_of(*allowed):
    def read(text):
        if text not in allowed:
            raise ValueError(text)
        return text
    return Kind(', '.join(allowed), read, allowed)


def _boolean(text):
    found = text.strip().lower()
    if found not in _TRUE | _FALSE:
        raise ValueError(text)
    return found in _TRUE


def whole(low=None, high=None, words=None):
    """Whole numbers from `low` to `high`; None is no limit."""
    def read(text):
        if not re.fullmatch(r'-?[0-9]{1,18}', text):
            raise ValueError(text)
        number = int(text)
        if (low is not None and number < low) or (high is not None and number > high):
            raise ValueError(text)
        return number
    if words is None and low is not None:
        words = f'the numbers from {low}' + ('' if high is None else f' to {high}')
    return Kind(words or 'the whole numbers', read)


BOOLEAN = Kind('true, false', _boolean)
WHOLE, COUNT = whole(0, words='the whole numbers'), whole(1)
TEXT = Kind('a text', str)
_CPU_QUOTA = Kind('the numbers from 1000, 0 and the negative ones for no limit',
                     lambda text: _quota(whole().read(text)))


def _quota(number):
    if 0 < number < 1000:
        raise ValueError(number)
    return number


@dataclasses.dataclass(frozen=True)
class Shape:
    """flavor, image: what it is called in each, None where it cannot stand; wins: who decides; says: what it does;
    xml: where it stands in libvirt's XML."""

    name: str
    kind: Kind
    says: str
    xml: str
    default: object = None
    wins: str = IMAGE
    flavor: str | None = ''
    image: str | None = ''

    def __post_init__(self):
        for field, prefix in (('flavor', 'hw:'), ('image', 'hw_')):
            if getattr(self, field) == '':
                object.__setattr__(self, field, prefix + self.name)


def _of_image(name, *args, **kwargs):
    return Shape(name, *args, flavor=None, **kwargs)


def _vif_model(text):
    return one_of(*VIF_MODELS).read(_VIF_MODEL_ALIASES.get(text, text))


def _limit(scope, name, kind, says, xml):
    return Shape(name, kind, says, xml, flavor=f'{scope}:{name}', image=None)


DISK_LIMITS = tuple(f'{what}_{unit}_sec{burst}' for what in ('read', 'write', 'total') for unit in ('bytes', 'iops')
                    for burst in ('', '_max', '_max_length'))
VIF_LIMITS = ('average', 'peak', 'burst')
CPU_PARTS = ('sockets', 'cores', 'threads')
WATCHDOG_ACTIONS = ('none', 'reset', 'poweroff', 'pause', 'disabled')
VIDEO_MODELS = ('virtio', 'vga', 'cirrus', 'qxl', 'vmvga', 'bochs', 'ramfb', 'xen', 'gop', 'none')
SCSI_MODELS = ('virtio-scsi', 'lsilogic', 'lsisas1068', 'lsisas1078', 'vmpvscsi', 'buslogic', 'ibmvscsi')
VIF_MODELS = ('virtio', 'e1000', 'e1000e', 'igb', 'rtl8139', 'ne2k_pci', 'pcnet', 'vmxnet3', 'lan9118', 'spapr-vlan')
# As images for VMware say it.
_VIF_MODEL_ALIASES = {'VirtualE1000': 'e1000', 'VirtualE1000e': 'e1000e', 'VirtualPCNet32': 'pcnet',
                      'VirtualVmxnet': 'vmxnet3', 'VirtualVmxnet3': 'vmxnet3'}
BUSES = ('virtio', 'scsi', 'sata', 'ide', 'usb', 'fdc', 'lxc', 'uml', 'xen')
SOUND_MODELS = ('sb16', 'es1370', 'pcspk', 'ac97', 'ich6', 'ich9', 'usb', 'virtio')
USB_MODELS = ('piix3-uhci', 'piix4-uhci', 'ehci', 'ich9-ehci1', 'vt82c686b-uhci', 'pci-ohci', 'nec-xhci', 'qemu-xhci')

_ROWS = (
    # CPU
    *(Shape(f'cpu_{part}', COUNT, f'How many {part} the guest sees, if the numbers fit.', f'cpu/topology/@{part}')
      for part in CPU_PARTS),
    *(Shape(f'cpu_max_{part}', COUNT, f'At most so many {part}; the image may only lower what the flavor allows.',
            f'cpu/topology/@{part}') for part in CPU_PARTS),
    Shape('cpu_realtime', BOOLEAN, 'Run the CPUs in real time; needs dedicated CPUs.', 'cputune/vcpusched',
          wins=FLAVOR, image=None),
    Shape('cpu_realtime_mask', TEXT, 'Which CPUs run in real time; ^0 is all but CPU 0.', 'cputune/vcpusched/@vcpus'),
    Shape('emulator_threads_policy', one_of('share', 'isolate'),
          'share: the emulator runs on [compute]cpu_shared_set instead of beside dedicated CPUs; isolate is refused.',
          'cputune/emulatorpin', image=None),
    Shape('pmu', BOOLEAN, "The CPU's counters; on or off whatever the default is.", 'features/pmu', wins=SAME),
    Shape('hide_hypervisor_id', BOOLEAN, 'Software in the guest does not see that it is virtual.',
          'features/kvm/hidden', wins=SAME, image='img_hide_hypervisor_id'),
    Shape('maxphysaddr_mode', one_of('passthrough', 'emulate'), 'Where the width of addresses comes from.',
          'cpu/maxphysaddr/@mode', wins=SAME),
    Shape('maxphysaddr_bits', whole(32, 64), 'Width of addresses (bits); for the mode emulate.',
          'cpu/maxphysaddr/@bits', wins=SAME),
    # Memory
    Shape('locked_memory', BOOLEAN, 'The memory is never swapped out; needs hw:mem_page_size.',
          'memoryBacking/locked', wins=SAME),
    # Machine
    _of_image('machine_type', TEXT, 'The machine, of those that the hypervisor knows.', 'os/type/@machine'),
    _of_image('architecture', TEXT, 'The architecture; that of the host by default.', 'os/type/@arch'),
    _of_image('firmware_type', one_of('bios', 'uefi'), 'What the guest starts with.', 'os/@firmware'),
    Shape('secure_boot', one_of('disabled', 'optional', 'required'),
          'Start only what is signed; needs UEFI and the machine q35.', 'os/firmware/feature', default='disabled',
          wins=SAME, flavor='os:secure_boot', image='os_secure_boot'),
    Shape('boot_menu', BOOLEAN, 'Let the user choose what to start from.', 'os/bootmenu', default=False),
    _of_image('command_line', TEXT, 'Command line of the kernel where the image has one of its own.', 'os/cmdline',
              image='os_command_line'),
    _of_image('os_type', TEXT, 'windows: a local clock, and what Windows knows of being virtual.', 'clock, features',
              image='os_type'),
    _of_image('time_hpet', BOOLEAN, 'A high precision timer.', "clock/timer[@name='hpet']", default=False),
    Shape('viommu_model', one_of('intel', 'smmuv3', 'virtio', 'auto'),
          'An IOMMU for the guest; intel needs q35, smmuv3 the machine virt.', 'devices/iommu', wins=SAME),
    Shape('virtio_packed_ring', BOOLEAN, 'A faster layout of the rings of disks and network cards.',
          'driver/@packed', default=False, wins=SAME),
    # Trusted platform module
    Shape('tpm_version', one_of('1.2', '2.0'), 'A trusted platform module; needs [libvirt]swtpm_enabled.',
          'devices/tpm/backend/@version', wins=SAME),
    Shape('tpm_model', one_of('tpm-tis', 'tpm-crb'), 'How it looks; tpm-crb is for version 2.0.',
          'devices/tpm/@model', wins=SAME),
    # Devices
    Shape('watchdog_action', one_of(*WATCHDOG_ACTIONS), 'What happens to a guest that no longer feeds its watchdog.',
          'devices/watchdog/@action', default='disabled'),
    _of_image('rng_model', one_of('virtio'), 'The device for random numbers.', 'devices/rng/@model', default='virtio'),
    _limit('hw_rng', 'allowed', BOOLEAN, 'Whether there is one.', 'devices/rng'),
    _limit('hw_rng', 'rate_bytes', WHOLE, 'It gives at most so many bytes a period.', 'devices/rng/rate/@bytes'),
    _limit('hw_rng', 'rate_period', WHOLE, 'The period (ms).', 'devices/rng/rate/@period'),
    _of_image('video_model', one_of(*VIDEO_MODELS), 'The graphics adapter.', 'devices/video/model/@type'),
    _of_image('video_ram', WHOLE, 'Its memory (MiB), if the flavor allows it.', 'devices/video/model/@vram',
              default=0),
    _limit('hw_video', 'ram_max_mb', WHOLE, 'How much of it an image may ask for.', 'devices/video/model/@vram'),
    _of_image('disk_bus', one_of(*BUSES), 'Bus of disks.', "devices/disk[@device='disk']/target/@bus"),
    _of_image('cdrom_bus', one_of(*BUSES), 'Bus of CD drives.', "devices/disk[@device='cdrom']/target/@bus"),
    _of_image('floppy_bus', one_of(*BUSES), 'Bus of floppy drives.', "devices/disk[@device='floppy']/target/@bus"),
    _of_image('scsi_model', one_of(*SCSI_MODELS), 'The SCSI controller.', "devices/controller[@type='scsi']/@model",
              default='virtio-scsi'),
    _of_image('vif_model', Kind(', '.join(VIF_MODELS), _vif_model, VIF_MODELS), 'The network card.',
              'devices/interface/model/@type', default='virtio'),
    Shape('vif_multiqueue_enabled', BOOLEAN, 'As many queues as CPUs (at most 8); with KVM.',
          'devices/interface/driver/@queues', default=False, wins=SAME),
    _of_image('qemu_guest_agent', BOOLEAN, 'A channel for the agent of QEMU.', 'devices/channel', default=False),
    Shape('serial_port_count', WHOLE, 'How many serial ports; the image may ask for less than the flavor.',
          'devices/serial'),
    _of_image('pointer_model', one_of('usbtablet', 'ps2mouse'), 'The pointer of a guest with a screen.',
              'devices/input'),
    _of_image('input_bus', one_of('usb', 'virtio'), 'Bus of pointer and keyboard of a guest with a screen.',
              'devices/input/@bus'),
    Shape('sound_model', one_of(*SOUND_MODELS), 'A sound card; none by default.', 'devices/sound/@model'),
    Shape('usb_model', one_of(*USB_MODELS), 'The USB controller.', "devices/controller[@type='usb']/@model"),
    # Limits
    _limit('quota', 'cpu_shares', whole(1), 'Weight of the guest against others.', 'cputune/shares'),
    _limit('quota', 'cpu_period', whole(1000, 1000000), 'The period of the next limit (µs).', 'cputune/period'),
    _limit('quota', 'cpu_quota', _CPU_QUOTA, 'CPU time of each CPU in a period (µs).', 'cputune/quota'),
    *(_limit('quota', f'disk_{name}', WHOLE, 'Limit of each disk.', f'devices/disk/iotune/{name}')
      for name in DISK_LIMITS),
    *(_limit('quota', f'vif_{way}_{name}', WHOLE, 'Limit of each network card (KiB/s; burst: KiB).',
             f'devices/interface/bandwidth/{way}/@{name}') for way in ('inbound', 'outbound') for name in VIF_LIMITS),
)
TABLE = {shape.name: shape for shape in _ROWS}

#: Properties of a guest's shape that are read where they belong -> where.
ELSEWHERE = {
    **dict.fromkeys(('hw:numa_nodes', 'hw:numa_cpus.N', 'hw:numa_mem.N', 'hw:cpu_policy', 'hw:cpu_thread_policy',
                     'hw:mem_page_size', 'hw_numa_nodes', 'hw_numa_cpus.N', 'hw_numa_mem.N', 'hw_cpu_policy',
                     'hw_cpu_thread_policy', 'hw_mem_page_size'), 'the claim (cells, pins, pages)'),
    **dict.fromkeys(('hw:pci_numa_affinity_policy', 'hw_pci_numa_affinity_policy', 'pci_passthrough:alias'),
                    'the claim (PCI devices)'),
    **dict.fromkeys(('hw_rescue_device', 'hw_rescue_bus'), 'rescue'),
    'hw_vm_mode': 'the scheduler',
    'os_require_quiesce': 'snapshot',
    'os_admin_user': 'the administrator whose password is set',
}

#: Known, and not to be had: (flavor's key, image's key) -> what is said.  A server that asks for one is not made
#: without it.
REFUSED = {
    ('hw:mem_encryption', 'hw_mem_encryption'): 'memory cannot be encrypted on hosts of this service.',
    ('hw:ephemeral_encryption', 'hw_ephemeral_encryption'): 'disks cannot be encrypted on hosts of this service.',
    ('hw:cpu_dedicated_mask', None): 'CPUs are dedicated for all or none of a guest (hw:cpu_policy).',
    ('hw:redirected_usb_ports', 'hw_redirected_usb_ports'): 'there is no way for USB devices to the guest.',
    ('hw:tpm_secret_security', 'hw_tpm_secret_security'): 'the state of a module is not encrypted.',
    ('hw:pmem', None): 'there is no persistent memory.',
    (None, 'hw_firmware_stateless'): 'firmware without state is not supported.',
}


# What hosts must have for it -----------------------------------------------------------------------------------------

SECURE_BOOT = 'COMPUTE_SECURITY_UEFI_SECURE_BOOT'
#: Property -> beginning of the trait that a host has which can make its value.
TRAITS = {
    'tpm_version': 'COMPUTE_SECURITY_TPM_', 'tpm_model': 'COMPUTE_SECURITY_', 'firmware_type': 'COMPUTE_FIRMWARE_',
    'disk_bus': 'COMPUTE_STORAGE_BUS_', 'cdrom_bus': 'COMPUTE_STORAGE_BUS_',
    'video_model': 'COMPUTE_GRAPHICS_MODEL_', 'vif_model': 'COMPUTE_NET_VIF_MODEL_',
}


def trait(name, value):
    """The trait of a host that can make this value of a property; None: every host can."""
    if name == 'secure_boot':
        return SECURE_BOOT if value == 'required' else None
    return None if value in (None, 'none') else TRAITS[name] + ''.join(
        letter if letter.isalnum() else '_' for letter in value.upper())


def all_traits():
    """Of a host that can make everything."""
    return {SECURE_BOOT, *(trait(name, value) for name in TRAITS for value in TABLE[name].kind.values)} - {None}


# Reading -------------------------------------------------------------------------------------------------------------

def value(name, specs, properties):
    """What flavor and image say of one property, or its default.

    :param specs: the flavor's extra specs.  :param properties: of the image.
    Raises ShapeInvalid and ShapesDisagree, naming the key.
    """
    shape = TABLE[name]
    flavor, image = _read(shape, shape.flavor, specs), _read(shape, shape.image, properties)
    if flavor is not None and image is not None and flavor != image and shape.wins == SAME:
        raise ShapesDisagree(image_key=shape.image, image=_said(properties[shape.image]), flavor_key=shape.flavor,
                             flavor=_said(specs[shape.flavor]))
    order = (flavor, image) if shape.wins == FLAVOR else (image, flavor)
    return next((found for found in order if found is not None), shape.default)


def _said(text):
    return repr(str(text))


def _read(shape, key, mapping):
    text = mapping.get(key) if key else None
    if text is None:
        return None
    try:
        return shape.kind.read(str(text))
    except ValueError:
        raise ShapeInvalid(what=key, value=text, known=shape.kind.words) from None


def check(specs, properties):
    """Raises ShapeInvalid, ShapesDisagree, ShapesDoNotFit and Refused for what no host can make a guest of."""
    for shape in TABLE.values():
        if (shape.flavor in specs) or (shape.image in properties):
            value(shape.name, specs, properties)
    for keys, reason in REFUSED.items():
        for key, mapping in zip(keys, (specs, properties), strict=True):
            if key in mapping and str(mapping[key]).strip().lower() not in _FALSE:
                raise Refused(what=key, reason=reason)
    for rule in _RULES:
        rule(lambda name: value(name, specs, properties), specs, properties)


def _tpm_needs_a_version(said, _specs, _properties):
    version, model = said('tpm_version'), said('tpm_model')
    if model and not version:
        raise ShapesDoNotFit(what='hw:tpm_model', reason='needs hw:tpm_version.')
    if (version, model) == ('1.2', 'tpm-crb'):
        raise ShapesDoNotFit(what='hw:tpm_model', reason='tpm-crb is for hw:tpm_version 2.0.')


def _secure_boot_needs_uefi(said, _specs, _properties):
    if said('secure_boot') == 'required' and said('firmware_type') != 'uefi':
        raise ShapesDoNotFit(what='os:secure_boot', reason='needs hw_firmware_type uefi.')


def _locked_memory_needs_pages(said, specs, properties):
    if said('locked_memory') and not (specs.get('hw:mem_page_size') or properties.get('hw_mem_page_size')):
        raise ShapesDoNotFit(what='hw:locked_memory', reason='needs hw:mem_page_size.')


def _address_bits_need_a_mode(said, _specs, _properties):
    mode, bits = said('maxphysaddr_mode'), said('maxphysaddr_bits')
    if (bits is not None) != (mode == 'emulate'):
        raise ShapesDoNotFit(what='hw:maxphysaddr_bits', reason='goes with hw:maxphysaddr_mode emulate, and only '
                                                                'with it.')


def _realtime_needs_dedicated(said, specs, properties):
    if said('cpu_realtime') and 'dedicated' not in (specs.get('hw:cpu_policy'), properties.get('hw_cpu_policy')):
        raise ShapesDoNotFit(what='hw:cpu_realtime', reason='needs hw:cpu_policy dedicated.')


def _emulator_is_not_isolated(said, _specs, _properties):
    if said('emulator_threads_policy') == 'isolate':
        raise Refused(what='hw:emulator_threads_policy', reason='no CPU can be kept for the emulator alone; share '
                                                                'keeps it off dedicated CPUs.')


def _total_or_parts(said, _specs, _properties):
    for unit in ('bytes', 'iops'):
        for burst in ('', '_max'):
            parts = [way for way in ('read', 'write') if said(f'disk_{way}_{unit}_sec{burst}')]
            if parts and said(f'disk_total_{unit}_sec{burst}'):
                raise ShapesDoNotFit(what=f'quota:disk_total_{unit}_sec{burst}',
                                     reason=f'cannot stand beside quota:disk_{parts[0]}_{unit}_sec{burst}.')


def _graphics_memory_is_allowed(said, _specs, _properties):
    wanted, limit = said('video_ram'), said('ram_max_mb') or 0
    if wanted > limit:
        raise exception.Invalid(f'hw_video_ram: {wanted} MiB is more than the {limit} MiB that hw_video:ram_max_mb of '
                                'the flavor allows.')


_RULES = (_tpm_needs_a_version, _secure_boot_needs_uefi, _locked_memory_needs_pages, _address_bits_need_a_mode,
          _realtime_needs_dedicated, _emulator_is_not_isolated, _total_or_parts, _graphics_memory_is_allowed)
