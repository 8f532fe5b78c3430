# SPDX-License-Identifier: Apache-2.0
"""What a server becomes as a domain: the flavor, image and options, turned into `config.Guest`.

Nothing is made here, and nothing is asked but what the host can do.
"""

import dataclasses
import functools
import importlib.metadata

from oslo_log import log as logging

from nova import conf, exception
from nova.virt import hardware, images
from nova.virt.libvirt import blockinfo, config, paths, topology, vif, volume
from nova.virt.libvirt import guest as libvirt_guest

CONF = conf.CONF
LOG = logging.getLogger(__name__)

PRODUCT = 'OpenStack Nova'

_TRUE = frozenset(('1', 'true', 'yes', 'on'))
# At most so many bytes per period (ms) from a random number device of a flavor that sets one without the other.
_RNG_PERIOD_MS = 1000
_VIDEO = ('virtio', 'vga', 'cirrus', 'qxl', 'vmvga', 'bochs', 'ramfb', 'none')
_WATCHDOG = ('none', 'reset', 'poweroff', 'pause', 'disabled')
_SCSI = ('virtio-scsi', 'lsilogic', 'lsisas1068', 'lsisas1078', 'vmpvscsi')
# quota:disk_… of a flavor -> libvirt's element.
_DISK_LIMITS = {f'quota:disk_{name}': name for name in (
    'read_bytes_sec', 'read_iops_sec', 'write_bytes_sec', 'write_iops_sec', 'total_bytes_sec', 'total_iops_sec')}
_SERIAL_PORTS_X86 = 4
# Pages of this size need not be asked for.
_SMALL_PAGE_KB = 4


class UnsupportedHardware(exception.Invalid):
    msg_fmt = '%(what)s: %(value)r is not one of %(known)s.'


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

    @property
    def flavor(self):
        return self.instance.flavor

    @property
    def properties(self):
        return self.image_meta.properties

    @property
    def specs(self):
        return self.flavor.extra_specs or {}


def guest(host, plan):
    """The `config.Guest` of a server.  Raises UnsupportedHardware, `exception.Invalid` for what cannot be had."""
    arch = plan.properties.get('hw_architecture') or host.arch
    instance = plan.instance
    made = config.Guest(
        virt_type=CONF.libvirt.virt_type, name=instance.name, uuid=instance.uuid,
        memory_mb=plan.flavor.memory_mb, vcpus=plan.flavor.vcpus,
        boot=_boot(plan, arch), cpu=_cpu(plan), cputune=_cpu_tune(host, plan), numatune=_numa_tune(plan),
        memory_backing=_memory_backing(plan), clock=_clock(plan),
        sysinfo=_system_info(host, plan), metadata=_metadata(plan), **_features(plan, arch))
    made.devices = [*_controllers(plan), *_disks(plan), *_volumes(plan), *_interfaces(plan), *_serials(plan, arch),
                    *_channels(plan), *_screen(host, plan, arch), *_rng(plan), *_watchdog(plan), *_host_devices(plan),
                    config.MemoryBalloon(CONF.libvirt.mem_stats_period_seconds)]
    return made


# Machine -------------------------------------------------------------------------------------------------------------

def machine_type(host, image_meta):
    """hw_machine_type of the image, else what is configured for the architecture, else 'pc' or 'virt'."""
    asked = image_meta.properties.get('hw_machine_type')
    if asked:
        return asked
    arch = image_meta.properties.get('hw_architecture') or host.arch
    configured = dict(entry.split('=', 1) for entry in CONF.libvirt.hw_machine_type if '=' in entry)
    if arch in configured:
        return configured[arch]
    return 'virt' if arch in ('aarch64', 'armv7l', 'riscv64') else 'pc' if arch in ('x86_64', 'i686') else None


def _boot(plan, arch):
    firmware = plan.properties.get('hw_firmware_type')
    if firmware not in (None, 'bios', 'uefi'):
        raise UnsupportedHardware(what='hw_firmware_type', value=firmware, known='bios, uefi')
    boot = config.Boot(machine_type=plan.machine_type, arch=arch, menu=_flag(plan, 'hw_boot_menu', 'hw:boot_menu'),
                       firmware='efi' if firmware == 'uefi' else None)
    if plan.kernel:
        root = next((place.target for place in plan.places if place.boot_order == 1), None)
        boot.kernel = paths.of(plan.instance, plan.kernel)
        if plan.ramdisk:
            boot.initrd = paths.of(plan.instance, plan.ramdisk)
        boot.cmdline = plan.properties.get('os_command_line') or (
            f'root=/dev/{root} console=tty0 console=ttyS0 no_timer_check' if root else 'console=tty0 console=ttyS0')
    return boot


def _flag(plan, image_key, flavor_key):
    value = plan.properties.get(image_key, plan.specs.get(flavor_key, ''))
    return str(value).lower() in _TRUE


def _cpu(plan):
    mode = CONF.libvirt.cpu_mode or ('host-model' if CONF.libvirt.virt_type == 'kvm' else 'maximum')
    if mode == 'host-passthrough' and CONF.libvirt.virt_type == 'qemu':
        mode = 'maximum'
    cpu = config.Cpu(topology=_topology(plan), cells=tuple(
        (cell['id'], hardware.format_cpu_spec(cell['cpus']), cell['memory_mb'] * 1024) for cell in _placed(plan)))
    if mode == 'none':
        return cpu
    if mode == 'custom':
        if not CONF.libvirt.cpu_models:
            raise exception.ConfigInvalid(option='[libvirt]cpu_models', reason='cpu_mode is custom, and it is empty.')
        cpu.model = CONF.libvirt.cpu_models[0]
    cpu.mode = mode
    for flag in CONF.libvirt.cpu_model_extra_flags:
        flag = flag.lower()
        cpu.features[flag.lstrip('+-')] = 'disable' if flag.startswith('-') else 'require'
    return cpu


def _topology(plan):
    """(sockets, cores, threads).  The image may prefer what the flavor does not fix; what it leaves open is sockets."""
    vcpus = plan.flavor.vcpus
    wanted = {}
    for name in ('sockets', 'cores', 'threads'):
        value = plan.properties.get(f'hw_cpu_{name}') or plan.specs.get(f'hw:cpu_{name}')
        if value is not None:
            if not str(value).isdigit() or int(value) < 1:
                raise UnsupportedHardware(what=f'hw_cpu_{name}', value=value, known='the numbers from 1')
            wanted[name] = int(value)
    threads = wanted.get('threads', 1)
    cores = wanted.get('cores') or (max(1, vcpus // (wanted['sockets'] * threads)) if 'sockets' in wanted else 1)
    sockets = wanted.get('sockets') or max(1, vcpus // (cores * threads))
    if sockets * cores * threads != vcpus:
        # What the image would like cannot be had with this flavor: it is a preference.
        sockets, cores, threads = vcpus, 1, 1
    return sockets, cores, threads


def _placed(plan):
    """The server's cells as its claim placed them on this host; empty where it lies as it likes."""
    return (plan.instance.placement or {}).get('numa') or []


def _cpu_tune(host, plan):
    found = {name: _number(plan, f'quota:cpu_{name}') for name in ('shares', 'period', 'quota')}
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
    if not pins and all(value is None for value in found.values()):
        return None
    return config.CpuTune(**found, pins=pins, emulator=hardware.format_cpu_spec(around) if around else None)


def _numa_tune(plan):
    cells = _placed(plan)
    return config.NumaTune(tuple((cell['id'], cell['host_cell']) for cell in cells)) if cells else None


def _memory_backing(plan):
    pages = tuple((cell['page_size_kb'], cell['id']) for cell in _placed(plan)
                  if cell['page_size_kb'] and cell['page_size_kb'] > _SMALL_PAGE_KB)
    locked = str(plan.specs.get('hw:locked_memory', plan.properties.get('hw_locked_memory', ''))).lower() in _TRUE
    return config.MemoryBacking(pages, locked) if pages or locked else None


def _host_devices(plan):
    return [config.HostPci(device['address']) for device in (plan.instance.placement or {}).get('pci') or ()]


def _number(plan, key):
    value = plan.specs.get(key)
    return None if value is None else _whole(key, value)


def _whole(what, value):
    try:
        return int(value)
    except ValueError:
        raise UnsupportedHardware(what=what, value=value, known='the whole numbers') from None


def _is_windows(plan):
    return plan.properties.get('os_type') == 'windows'


def administrator(image_meta):
    """Name of the user whose password is set for a server's administrator."""
    default = 'Administrator' if image_meta.properties.get('os_type') == 'windows' else 'root'
    return image_meta.properties.get('os_admin_user') or default


def _clock(plan):
    timers = [('pit', {'tickpolicy': 'delay'}), ('rtc', {'tickpolicy': 'catchup'}), ('hpet', {'present': 'no'})]
    if _is_windows(plan) and CONF.libvirt.virt_type == 'kvm':
        timers.append(('hypervclock', {'present': 'yes'}))
    return config.Clock('localtime' if _is_windows(plan) else 'utc', tuple(timers))


def _features(plan, arch):
    features = ('acpi', 'apic') if arch in ('x86_64', 'i686', 'aarch64') else ()
    hyperv = ()
    if _is_windows(plan) and CONF.libvirt.virt_type == 'kvm':
        hyperv = (('relaxed', {}), ('vapic', {}), ('spinlocks', {'retries': 8191}), ('vpindex', {}), ('synic', {}))
    return {'features': features, 'hyperv': hyperv}


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

def _controllers(plan):
    if blockinfo.is_q35(plan.machine_type):
        yield config.Controller('pci', model='pcie-root', index=0)
        for number in range(CONF.libvirt.num_pcie_ports):
            yield config.Controller('pci', model='pcie-root-port', index=number + 1)
    model = plan.properties.get('hw_scsi_model') or 'virtio-scsi'
    if model not in _SCSI:
        raise UnsupportedHardware(what='hw_scsi_model', value=model, known=', '.join(_SCSI))
    # Those that we leave out libvirt adds, of a model that guests may have no driver for.
    for number in range(blockinfo.scsi_controllers(plan.places)):
        yield config.Controller('scsi', model=model, index=number)


def cache_mode():
    """How guests' writes to files of this host are cached: what is configured, else 'none', else 'writeback'.

    'none' goes past the host's cache, which not every file system allows.  'writeback' is as safe: the guest's flushes
    reach the disk.
    """
    configured = dict(entry.split('=', 1) for entry in CONF.libvirt.disk_cachemodes if '=' in entry)
    if 'file' in configured:
        return configured['file']
    return 'none' if images.can_bypass_cache(CONF.instances_path) else 'writeback'


def _disks(plan):
    mode = cache_mode()
    limits = {name: _number(plan, key) for key, name in _DISK_LIMITS.items() if key in plan.specs}
    for place in plan.places:
        info = plan.disks[place.file]
        is_disk = place.device == 'disk'
        yield config.Disk(
            source=paths.of(plan.instance, place.file), driver_format=info.format, target=place.target, bus=place.bus,
            device=place.device, cache=mode if is_disk else None, boot_order=place.boot_order,
            discard='unmap' if CONF.libvirt.hw_disk_discard and is_disk else None,
            backing_file=paths.cache(info.base) if info.base else None, backing_format=info.base_format,
            readonly=place.device == 'cdrom', limits=limits if is_disk and place.file != paths.CONFIG_DRIVE else {})


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
    count = hardware.get_number_of_serial_ports(instance.flavor, image_meta)
    if arch in ('x86_64', 'i686') and count > _SERIAL_PORTS_X86:
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
    if str(plan.properties.get('hw_qemu_guest_agent', '')).lower() in _TRUE:
        yield config.Channel(libvirt_guest.AGENT)


def _screen(host, plan, arch):
    if not CONF.vnc.enabled:
        return
    yield config.Graphics(CONF.vnc.server_listen, CONF.vnc.keymap)
    yield _video(host, plan, arch)
    pointer = plan.properties.get('hw_pointer_model') or CONF.pointer_model
    if pointer == 'usbtablet':
        yield config.Input('tablet', 'usb')


def _video(host, plan, arch):
    model = plan.properties.get('hw_video_model')
    if model is None:
        capabilities = host.domain_capabilities(arch, plan.machine_type, CONF.libvirt.virt_type)
        has = {value.text for value in capabilities.iterfind("devices/video/enum[@name='modelType']/value")}
        model = next((wanted for wanted in ('virtio', 'vga', 'cirrus') if wanted in has), 'vga')
    elif model not in _VIDEO:
        raise UnsupportedHardware(what='hw_video_model', value=model, known=', '.join(_VIDEO))
    vram_mb = _whole('hw_video_ram', plan.properties.get('hw_video_ram', 0))
    limit_mb = _whole('hw_video:ram_max_mb', plan.specs.get('hw_video:ram_max_mb', 0))
    if vram_mb > limit_mb:
        raise exception.Invalid(f'hw_video_ram: {vram_mb} MiB is more than the {limit_mb} MiB that hw_video:ram_max_mb '
                                'of the flavor allows.')
    return config.Video(model, vram_mb * 1024 if vram_mb and model in ('vga', 'qxl', 'cirrus') else None)


def _rng(plan):
    if not CONF.libvirt.rng_dev_path or str(plan.specs.get('hw_rng:allowed', 'true')).lower() not in _TRUE:
        return
    max_bytes = _number(plan, 'hw_rng:rate_bytes')
    yield config.Rng(CONF.libvirt.rng_dev_path, max_bytes,
                     (_number(plan, 'hw_rng:rate_period') or _RNG_PERIOD_MS) if max_bytes else None)


def _watchdog(plan):
    action = plan.properties.get('hw_watchdog_action') or plan.specs.get('hw:watchdog_action') or 'disabled'
    if action not in _WATCHDOG:
        raise UnsupportedHardware(what='hw_watchdog_action', value=action, known=', '.join(_WATCHDOG))
    if action != 'disabled':
        yield config.Watchdog(action)
