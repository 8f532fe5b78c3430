# SPDX-License-Identifier: Apache-2.0
"""What a server becomes as a domain: the flavor, image and options, turned into `config.Guest`.

Nothing is made here, and nothing is asked but what the host can do.
"""

import dataclasses
import functools
import importlib.metadata
import shlex

from oslo_log import log as logging

from nova import conf, exception
from nova.virt import hardware, images, shapes
from nova.virt.libvirt import blockinfo, config, container, diskinfo, paths, topology, traits, vif, volume
from nova.virt.libvirt import guest as libvirt_guest

CONF = conf.CONF
LOG = logging.getLogger(__name__)

PRODUCT = 'OpenStack Nova'

# At most so many bytes per period (ms) from a random number device of a flavor that sets one without the other.
_RNG_PERIOD_MS = 1000
_SERIAL_PORTS_X86 = 4
_X86 = ('x86_64', 'i686')
# IOMMUs -> the machine that they are for.
_IOMMU_MACHINES = {'intel': 'q35', 'smmuv3': 'virt'}
# The first program of a container.
_INIT = '/sbin/init'
# Pages of this size need not be asked for.
_SMALL_PAGE_KB = 4


UnsupportedHardware = shapes.ShapeInvalid


class HostLacks(exception.NovaException):
    """Another host may have it, so the server is tried there."""

    msg_fmt = '%(what)s: %(value)r is not to be had on this host: %(reason)s'


@dataclasses.dataclass
class Plan:
    """All that a domain is made from.

    places: `blockinfo.Place`s; disks: {file: diskinfo.DiskInfo}; serial_ports: TCP ports, or empty; kernel, ramdisk:
    files in the server's directory that it boots without a boot loader.
    """

    instance: object
    image_meta: object
    network_info: object
    places: list
    disks: dict
    machine_type: str
    serial_ports: list = dataclasses.field(default_factory=list)
    context: object = None
    kernel: str | None = None
    ramdisk: str | None = None
    #: as in block device info
    volumes: list = dataclasses.field(default_factory=list)
    #: `config.Share`s
    shares: list = dataclasses.field(default_factory=list)
    #: file in the server's directory for what firmware remembers; None: the server's own
    variables: str | None = None

    @property
    def flavor(self):
        return self.instance.flavor

    @property
    def properties(self):
        return self.image_meta.properties

    @property
    def specs(self):
        return self.flavor.extra_specs or {}

    def shape(self, name):
        """What flavor and image say of a property (see `shapes`).  Raises `exception.Invalid`."""
        return shapes.value(name, self.specs, self.properties)


def guest(host, plan):
    """The `config.Guest` of a server.

    Raises UnsupportedHardware, `exception.Invalid` for what cannot be had, and HostLacks for what this host has not.
    """
    shapes.check(plan.specs, plan.properties)
    return _container(host, plan) if CONF.libvirt.virt_type == 'lxc' else _machine(host, plan)


def _machine(host, plan):
    arch = _arch(host, plan.image_meta)
    disks = [*_disks(plan), *_volumes(plan)]
    made = config.Guest(
        boot=_boot(plan, arch), cpu=_cpu(host, plan, arch), numatune=_numa_tune(plan),
        memory_backing=_memory_backing(plan), clock=_clock(plan),
        sysinfo=_system_info(host, plan), **_identity(host, plan), **_features(plan, arch))
    made.devices = [*_controllers(plan, disks), *disks, *plan.shares, *_interfaces(plan), *_serials(plan, arch),
                    *_channels(plan), *_screen(host, plan, arch), *_sound(plan), *_tpm(plan),
                    *_rng(plan), *_watchdog(plan), *_host_devices(plan),
                    config.MemoryBalloon(CONF.libvirt.mem_stats_period_seconds)]
    if _iommu_model(plan):
        made.devices.append(config.Iommu(_iommu_model(plan), _remaps_interrupts(plan)))
    return made


def _identity(host, plan):
    """What every guest has, of any kind."""
    instance = plan.instance
    return {'virt_type': CONF.libvirt.virt_type, 'name': instance.name, 'uuid': instance.uuid,
            'memory_mb': plan.flavor.memory_mb, 'vcpus': plan.flavor.vcpus, 'cpuset': cpuset(host, plan),
            'cputune': _cpu_tune(host, plan), 'metadata': _metadata(plan)}


# Containers ----------------------------------------------------------------------------------------------------------

def _container(host, plan):
    """A guest of LXC: a process tree of this host over the file system in the root disk."""
    command = shlex.split(plan.shape('command_line') or '')
    root = next((place for place in plan.places if place.file in (paths.ROOT, paths.RESCUE)), None)
    if root is None or plan.volumes:
        raise exception.Invalid('A container has one disk, made from its image: it takes no volumes.')
    return config.Guest(
        boot=config.Boot(kind='exe', init=_INIT, init_args=tuple(command), smbios=False),
        devices=[config.FileSystem(container.path(plan.instance, root.file)), *_interfaces(plan), config.Console()],
        **_identity(host, plan))


# Machine -------------------------------------------------------------------------------------------------------------

def machine_type(host, image_meta):
    """hw_machine_type of the image, else what is configured for the architecture, else 'pc' or 'virt'.

    None for containers.  Raises HostLacks.
    """
    if CONF.libvirt.virt_type == 'lxc':
        return None
    arch = _arch(host, image_meta)
    asked = shapes.value('machine_type', {}, image_meta.properties)
    if asked:
        _require_machine(host, arch, asked)
        return asked
    configured = dict(entry.split('=', 1) for entry in CONF.libvirt.hw_machine_type if '=' in entry)
    if arch in configured:
        return configured[arch]
    return 'virt' if arch in ('aarch64', 'armv7l', 'riscv64') else 'pc' if arch in _X86 else None


def _arch(host, image_meta):
    return shapes.value('architecture', {}, image_meta.properties) or host.arch


def _require_machine(host, arch, machine_type):
    known = topology.machine_types(host.capabilities, arch)
    if known and machine_type not in known:
        raise HostLacks(what='hw_machine_type', value=machine_type,
                        reason=f'QEMU for {arch} knows no such machine.')


def _boot(plan, arch):
    boot = config.Boot(machine_type=plan.machine_type, arch=arch, menu=plan.shape('boot_menu'),
                       secure=_secure_boot(plan))
    if plan.shape('firmware_type') == 'uefi':
        boot.firmware = 'efi'
        own = paths.SIGNED_VARIABLES if boot.secure else paths.VARIABLES
        boot.variables = paths.of(plan.instance, plan.variables or own)
    if plan.kernel:
        root = next((place.target for place in plan.places if place.boot_order == 1), None)
        boot.kernel = paths.of(plan.instance, plan.kernel)
        if plan.ramdisk:
            boot.initrd = paths.of(plan.instance, plan.ramdisk)
        boot.cmdline = plan.shape('command_line') or (
            f'root=/dev/{root} console=tty0 console=ttyS0 no_timer_check' if root else 'console=tty0 console=ttyS0')
    return boot


def _secure_boot(plan):
    """Whether only what is signed is started; None where nobody asked.  Raises `exception.Invalid`."""
    asked, can = plan.shape('secure_boot'), blockinfo.is_q35(plan.machine_type)
    if asked == 'required' and not can:
        raise shapes.ShapesDoNotFit(what='os:secure_boot', reason=f'needs hw_machine_type q35, not '
                                                                  f'{plan.machine_type}.')
    return True if can and asked != 'disabled' and plan.shape('firmware_type') == 'uefi' else None


def _cpu(host, plan, arch):
    mode = CONF.libvirt.cpu_mode or ('host-model' if CONF.libvirt.virt_type == 'kvm' else 'maximum')
    if mode == 'host-passthrough' and CONF.libvirt.virt_type == 'qemu':
        mode = 'maximum'
    cpu = config.Cpu(topology=hardware.cpu_topology(plan.flavor.vcpus, plan.specs, plan.properties),
                     address_mode=plan.shape('maxphysaddr_mode'), address_bits=plan.shape('maxphysaddr_bits'))
    cpu.cells = tuple((cell['id'], hardware.format_cpu_spec(cell['cpus']), cell['memory_mb'] * 1024)
                      for cell in _placed(plan))
    if mode == 'none':
        return cpu
    cpu.mode = mode
    for flag in CONF.libvirt.cpu_model_extra_flags:
        flag = flag.lower()
        cpu.features[flag.lstrip('+-')] = 'disable' if flag.startswith('-') else 'require'
    if mode == 'custom':
        cpu.model = _cpu_model(host, plan, arch, {name for name, policy in cpu.features.items() if policy == 'require'})
    return cpu


def _cpu_model(host, plan, arch, added):
    """The first of the configured models that has, with the features `added`, all that the server's traits require."""
    if not CONF.libvirt.cpu_models:
        raise exception.ConfigInvalid(option='[libvirt]cpu_models', reason='cpu_mode is custom, and it is empty.')
    required = {key.partition(':')[2] for key, said in (*plan.specs.items(), *plan.properties.items())
                if key.startswith('trait:') and said == 'required'} & set(traits.CPU_FEATURES.values())
    for model in CONF.libvirt.cpu_models:
        if not required or required <= traits.of_features(added | host.cpu_model_features(
                model, arch, plan.machine_type, CONF.libvirt.virt_type)):
            return model
    raise HostLacks(what='traits', value=', '.join(sorted(required)),
                    reason='no model of [libvirt]cpu_models has all of them.')


def _placed(plan):
    """The server's cells as its claim placed them on this host; empty where it lies as it likes."""
    return (plan.instance.placement or {}).get('numa') or []


def cpuset(host, plan):
    """CPUs of the host, as text, that the server keeps to if its claim gave it none; None: all.  Raises HostLacks."""
    common = None if _placed(plan) else topology.common_cpus(host.capabilities)
    if common is None:
        return None
    if not common:
        raise HostLacks(what='[compute]cpu_dedicated_set', value=CONF.compute.cpu_dedicated_set,
                        reason='no CPU is left for guests that pin none.')
    return hardware.format_cpu_spec(common)


def _cpu_tune(host, plan):
    found = {name: plan.shape(f'cpu_{name}') for name in ('shares', 'period', 'quota')}
    cells = {cell['id']: cell for cell in (topology.numa_topology(host.capabilities) or {}).get('cells', ())} \
        if _placed(plan) else {}
    pins, around = {}, set()
    for cell in _placed(plan):
        near = cells.get(cell['host_cell'], {}).get('cpus') or []
        for cpu in cell['cpus']:
            own = [cell['pinning'][str(cpu)]] if cell['pinning'] else near
            around.update(own)
            if own:
                pins[cpu] = hardware.format_cpu_spec(own)
    realtime = _realtime_cpus(plan)
    if not (pins or realtime) and all(value is None for value in found.values()):
        return None
    if pins and plan.shape('emulator_threads_policy') == 'share' and CONF.compute.cpu_shared_set:
        around = hardware.parse_cpu_spec(CONF.compute.cpu_shared_set)
    return config.CpuTune(**found, pins=pins, emulator=hardware.format_cpu_spec(around) if around else None,
                          realtime=tuple(sorted(realtime)))


def _realtime_cpus(plan):
    """CPUs of the guest that run in real time.  Raises ShapesDoNotFit for a mask that leaves none."""
    if not plan.shape('cpu_realtime'):
        return set()
    mask, cpus = plan.shape('cpu_realtime_mask') or '', set(range(plan.flavor.vcpus))
    rules = [rule.strip() for rule in mask.split(',') if rule.strip()]
    named = [rule for rule in rules if not rule.startswith('^')]
    if named:
        cpus &= hardware.parse_cpu_spec(','.join(named))
    cpus -= hardware.parse_cpu_spec(','.join(rule[1:] for rule in rules if rule.startswith('^')))
    if not cpus:
        raise shapes.ShapesDoNotFit(what='hw:cpu_realtime_mask', reason=f'{mask!r} leaves no CPU for real time.')
    return cpus


def tuning(host, plan):
    """{'cputune', 'numatune': what follows from where the server lies on this host, or None}."""
    return {'cputune': _cpu_tune(host, plan), 'numatune': _numa_tune(plan)}


def _numa_tune(plan):
    cells = _placed(plan)
    return config.NumaTune(tuple((cell['id'], cell['host_cell']) for cell in cells)) if cells else None


def _memory_backing(plan):
    pages = tuple((cell['page_size_kb'], cell['id']) for cell in _placed(plan)
                  if cell['page_size_kb'] and cell['page_size_kb'] > _SMALL_PAGE_KB)
    realtime = bool(plan.shape('cpu_realtime'))
    locked = bool(plan.shape('locked_memory')) or realtime
    if not (pages or locked or plan.shares):
        return None
    return config.MemoryBacking(pages, locked, not realtime, bool(plan.shares))


def _host_devices(plan):
    return [config.HostPci(device['address']) for device in (plan.instance.placement or {}).get('pci') or ()]


def _is_windows(plan):
    return plan.shape('os_type') == 'windows'


def administrator(image_meta):
    """Name of the user whose password is set for a server's administrator."""
    default = 'Administrator' if image_meta.properties.get('os_type') == 'windows' else 'root'
    return image_meta.properties.get('os_admin_user') or default


def _clock(plan):
    timers = [('pit', {'tickpolicy': 'delay'}), ('rtc', {'tickpolicy': 'catchup'}),
              ('hpet', {'present': plan.shape('time_hpet')})]
    if _is_windows(plan) and CONF.libvirt.virt_type == 'kvm':
        timers.append(('hypervclock', {'present': 'yes'}))
    return config.Clock('localtime' if _is_windows(plan) else 'utc', tuple(timers))


def _features(plan, arch):
    features = ('acpi', 'apic') if arch in (*_X86, 'aarch64') else ()
    hyperv = ()
    if _is_windows(plan) and CONF.libvirt.virt_type == 'kvm':
        hyperv = (('relaxed', {}), ('vapic', {}), ('spinlocks', {'retries': 8191}), ('vpindex', {}), ('synic', {}))
    pmu = False if plan.shape('cpu_realtime') else plan.shape('pmu')
    switches = [('pmu', pmu)] if pmu is not None else []
    if _secure_boot(plan):
        # Variables of the firmware can be written only from the mode that this adds.
        switches.append(('smm', True))
    return {'features': features, 'hyperv': hyperv, 'switches': tuple(switches),
            'ioapic': 'qemu' if _remaps_interrupts(plan) else None, 'is_hidden': bool(plan.shape('hide_hypervisor_id'))}


@functools.cache
def _version():
    try:
        return importlib.metadata.version('nova')
    except importlib.metadata.PackageNotFoundError:
        return 'unknown'


def _system_info(host, plan):
    return config.SystemInfo(manufacturer='OpenStack Foundation', product=PRODUCT,
                             version=_version(), serial=_machine_serial(host, plan.instance),
                             uuid=plan.instance.uuid)


def _machine_serial(host, instance):
    source = CONF.libvirt.sysinfo_serial
    if source == 'unique':
        return instance.uuid
    if source in ('os', 'auto'):
        try:
            with open('/etc/machine-id') as machine_id:
                number = machine_id.read().strip()
        except OSError:
            number = ''
        if number:
            return f'{number[:8]}-{number[8:12]}-{number[12:16]}-{number[16:20]}-{number[20:]}'
    if source in ('hardware', 'auto'):
        return host.capabilities.findtext('host/uuid')
    return None


def _metadata(plan):
    instance, flavor = plan.instance, plan.flavor
    created_at = instance.created_at
    ports = tuple((nic['id'], tuple((ip['address'], ip['version']) for subnet in nic['network']['subnets']
                                    for ip in subnet['ips'])) for nic in plan.network_info or ())
    return config.Metadata(
        name=instance.display_name, created_at=created_at.strftime('%Y-%m-%d %H:%M:%S') if created_at else None,
        package_version=_version(), flavor_name=flavor.name, memory_mb=flavor.memory_mb, vcpus=flavor.vcpus,
        root_gb=flavor.root_gb, ephemeral_gb=flavor.ephemeral_gb, swap_mb=flavor.swap, user_id=instance.user_id,
        user_name=getattr(plan.context, 'user_name', None), project_id=instance.project_id,
        project_name=getattr(plan.context, 'project_name', None), image_id=instance.image_ref or None, ports=ports)


# Devices -------------------------------------------------------------------------------------------------------------

def _controllers(plan, disks):
    if blockinfo.is_q35(plan.machine_type):
        yield config.Controller('pci', model='pcie-root', index=0)
        for number in range(CONF.libvirt.num_pcie_ports):
            yield config.Controller('pci', model='pcie-root-port', index=number + 1)
    model = plan.shape('scsi_model')
    usb = plan.shape('usb_model')
    if usb:
        yield config.Controller('usb', model=usb, index=0)
    # Those that we leave out libvirt adds, of a model that guests may have no driver for.
    for number in range(blockinfo.scsi_controllers(disks)):
        yield config.Controller('scsi', model=model, index=number)


def _iommu_model(plan):
    """The model of IOMMU; None: there is none.  Raises ShapesDoNotFit."""
    model = plan.shape('viommu_model')
    if model == 'auto':
        model = next((model for model, machine in _IOMMU_MACHINES.items() if machine in (plan.machine_type or '')),
                     'virtio')
    if model and _IOMMU_MACHINES.get(model, '') not in (plan.machine_type or ''):
        raise shapes.ShapesDoNotFit(what='hw:viommu_model', reason=f'{model} needs hw_machine_type '
                                                                   f'{_IOMMU_MACHINES[model]}.')
    return model


def _remaps_interrupts(plan):
    return _iommu_model(plan) == 'intel' and CONF.libvirt.virt_type == 'kvm'


def cache_mode(is_block=False):
    """How guests' writes to files (or devices) of this host are cached: what is configured, else 'none', else
    'writeback'.

    'none' goes past the host's cache, which not every file system allows.  'writeback' is as safe: the guest's flushes
    reach the disk.
    """
    configured = dict(entry.split('=', 1) for entry in CONF.libvirt.disk_cachemodes if '=' in entry)
    kind = 'block' if is_block else 'file'
    if kind in configured:
        return configured[kind]
    return 'none' if is_block or images.can_bypass_cache(CONF.instances_path) else 'writeback'


def _caching(is_block):
    """{'cache', 'io'} of a disk that the guest writes."""
    mode = cache_mode(is_block)
    # Where nothing is cached, the kernel itself can do several things at a time with a device.
    return {'cache': mode, 'io': 'native' if is_block and mode in ('none', 'directsync') else None}


def _disks(plan):
    caching = {is_block: _caching(is_block) for is_block in {bool(info.group) for info in plan.disks.values()}}
    limits = {name: limit for name in shapes.DISK_LIMITS if (limit := plan.shape(f'disk_{name}')) is not None}
    is_packed = plan.shape('virtio_packed_ring')
    for place in plan.places:
        info = plan.disks[place.file]
        is_disk = place.device == 'disk'
        yield config.Disk(
            source=diskinfo.path(paths.of(plan.instance), place.file, info), is_block=bool(info.group),
            driver_format=info.format, target=place.target, bus=place.bus, device=place.device,
            boot_order=place.boot_order, **(caching[bool(info.group)] if is_disk else {}),
            discard='unmap' if CONF.libvirt.hw_disk_discard and is_disk else None,
            backing_file=paths.cache(info.base) if info.base else None, backing_format=info.base_format,
            readonly=place.device == 'cdrom', is_packed=is_packed and place.bus == 'virtio',
            limits=limits if is_disk and place.file != paths.CONFIG_DRIVE else {})


def _volumes(plan):
    for item in plan.volumes:
        bus = item.get('disk_bus') or blockinfo.bus_for(plan.image_meta, item.get('device_type') or 'disk',
                                                        plan.machine_type)
        yield volume.disk(item['connection_info'], item['mount_device'], bus, cache_mode(),
                          1 if item.get('boot_index') == 0 else None)


def _interfaces(plan):
    for nic in plan.network_info or ():
        yield vif.type_of(nic).interface(nic, plan.image_meta, plan.flavor)


def serial_port_count(instance, image_meta, arch):
    """How many serial ports the guest gets.  Raises `exception.Invalid`."""
    if CONF.libvirt.virt_type == 'lxc':
        return 0
    count = hardware.get_number_of_serial_ports(instance.flavor, image_meta)
    if arch in _X86 and count > _SERIAL_PORTS_X86:
        raise UnsupportedHardware(what='hw_serial_port_count', value=count, known='0 to 4')
    return count


def _serials(plan, arch):
    log = paths.of(plan.instance, paths.CONSOLE_LOG)
    for number in range(max(1, serial_port_count(plan.instance, plan.image_meta, arch))):
        first = log if number == 0 else None
        if plan.serial_ports:
            yield config.Serial(first, number, CONF.serial_console.proxyclient_address, plan.serial_ports[number])
        else:
            yield config.Serial(first, number)


def _channels(plan):
    if plan.shape('qemu_guest_agent'):
        yield config.Channel(libvirt_guest.AGENT)


def _screen(host, plan, arch):
    if not CONF.vnc.enabled:
        return
    yield config.Graphics(CONF.vnc.server_listen, CONF.vnc.keymap)
    yield _video(host, plan, arch)
    bus = plan.shape('input_bus')
    if (plan.shape('pointer_model') or CONF.pointer_model) == 'usbtablet':
        yield config.Input('tablet', bus or 'usb')
    if bus:
        yield config.Input('keyboard', bus)


def _video(host, plan, arch):
    model = plan.shape('video_model')
    if model is None:
        capabilities = host.domain_capabilities(arch, plan.machine_type, CONF.libvirt.virt_type)
        has = {value.text for value in capabilities.iterfind("devices/video/enum[@name='modelType']/value")}
        model = next((wanted for wanted in ('virtio', 'vga', 'cirrus') if wanted in has), 'vga')
    vram_mb = plan.shape('video_ram')
    return config.Video(model, vram_mb * 1024 if vram_mb and model in ('vga', 'qxl', 'cirrus') else None)


def _sound(plan):
    model = plan.shape('sound_model')
    if model:
        yield config.Sound(model)


def tpm_version(instance, image_meta):
    """Version of the trusted platform module of a server; None: it has none."""
    return shapes.value('tpm_version', instance.flavor.extra_specs or {}, image_meta.properties)


def _tpm(plan):
    """Raises HostLacks where there is no software for it."""
    version = tpm_version(plan.instance, plan.image_meta)
    if version is None:
        return
    if not CONF.libvirt.swtpm_enabled:
        raise HostLacks(what='hw:tpm_version', value=version, reason='[libvirt]swtpm_enabled is off.')
    yield config.Tpm(version, plan.shape('tpm_model') or 'tpm-tis')


def _rng(plan):
    if not CONF.libvirt.rng_dev_path or plan.shape('allowed') is False:
        return
    max_bytes = plan.shape('rate_bytes')
    yield config.Rng(CONF.libvirt.rng_dev_path, max_bytes,
                     (plan.shape('rate_period') or _RNG_PERIOD_MS) if max_bytes else None)


def _watchdog(plan):
    action = plan.shape('watchdog_action')
    if action != 'disabled':
        yield config.Watchdog(action)
