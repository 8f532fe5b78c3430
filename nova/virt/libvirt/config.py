# SPDX-License-Identifier: Apache-2.0
"""libvirt's XML as plain values: each class is one element, can be compared, and writes itself.

    guest = Guest(virt_type='qemu', name='instance-1', uuid=…, memory_mb=64, vcpus=1)
    guest.devices.append(Disk(source='/…/disk', driver_format='qcow2', target='vda', bus='virtio'))
    guest.to_xml()

A field that is None leaves its attribute or element out, and libvirt decides.  Nothing here asks anybody anything.
"""

import dataclasses
import re

from lxml import etree

#: Namespace of what we write about a server into its domain.
NOVA_NS = 'http://openstack.org/xmlns/libvirt/nova/1.1'

# What XML 1.0 cannot hold, escaped or not.
_UNREPRESENTABLE = re.compile('[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]')


def _text(value):
    """A value as it stands in XML: yes and no for booleans, a replacement for characters that XML has not."""
    if isinstance(value, bool):
        return 'yes' if value else 'no'
    return _UNREPRESENTABLE.sub('\ufffd', str(value))


def element(tag, *children, text=None, **attributes):
    """An element.  Attributes and children that are None are left out; `_` in front of a name escapes a keyword."""
    made = etree.Element(tag)
    for name, value in attributes.items():
        if value is not None:
            made.set(name.lstrip('_'), _text(value))
    if text is not None:
        made.text = _text(text)
    made.extend(child for child in children if child is not None)
    return made


def optional(tag, value, **attributes):
    """An element with this text, or None where there is no text."""
    return None if value is None else element(tag, text=value, **attributes)


def parse(xml):
    """The root element of a document that libvirt wrote.  Refers to nothing outside of it."""
    return etree.fromstring(xml, etree.XMLParser(resolve_entities=False, no_network=True))


def text_of(root):
    """The XML of an element that was parsed."""
    return etree.tostring(root, encoding='unicode')


class Element:
    """Something that writes itself as an element."""

    def to_element(self):
        raise NotImplementedError()

    def to_xml(self):
        return etree.tostring(self.to_element(), pretty_print=True, encoding='unicode')


# The domain ----------------------------------------------------------------------------------------------------------

@dataclasses.dataclass
class Boot(Element):
    """What the guest starts from: its disks in their boot order, or a kernel given from outside.

    kind: 'hvm', or 'exe' for a container, whose first program is `init` with `init_args`.  secure: start only what is
    signed (True), or do not look (False); variables: the file in which firmware keeps what it remembers.
    """

    machine_type: str | None = None
    arch: str | None = None
    firmware: str | None = None
    kernel: str | None = None
    initrd: str | None = None
    cmdline: str | None = None
    menu: bool | None = None
    smbios: bool = True
    kind: str = 'hvm'
    init: str | None = None
    init_args: tuple = ()
    secure: bool | None = None
    variables: str | None = None

    def to_element(self):
        firmware = None
        if self.secure is not None:
            firmware = element('firmware', *(element('feature', enabled=self.secure, name=name)
                                             for name in ('secure-boot', 'enrolled-keys')))
        return element(
            'os',
            element('type', text=self.kind, arch=self.arch, machine=self.machine_type),
            optional('init', self.init), *(element('initarg', text=word) for word in self.init_args),
            firmware, element('loader', secure=True) if self.secure else None, optional('nvram', self.variables),
            optional('kernel', self.kernel), optional('initrd', self.initrd), optional('cmdline', self.cmdline),
            element('bootmenu', enable=True) if self.menu else None,
            element('smbios', mode='sysinfo') if self.smbios else None,
            firmware=self.firmware)


@dataclasses.dataclass
class Cpu(Element):
    """mode: as [libvirt]cpu_mode; features: {name: libvirt's policy}; topology: (sockets, cores, threads).

    cells: ((number, CPUs as text, memory in KiB), …) that the guest sees; address_mode, address_bits: how wide its
    addresses are ('passthrough': as those of the host; 'emulate': so many bits).
    """

    mode: str | None = None
    model: str | None = None
    features: dict = dataclasses.field(default_factory=dict)
    topology: tuple | None = None
    cells: tuple = ()
    address_mode: str | None = None
    address_bits: int | None = None

    def to_element(self):
        topology = None
        if self.topology is not None:
            sockets, cores, threads = self.topology
            topology = element('topology', sockets=sockets, cores=cores, threads=threads)
        return element(
            'cpu', optional('model', self.model, fallback='allow'), topology,
            element('maxphysaddr', mode=self.address_mode, bits=self.address_bits) if self.address_mode else None,
            *(element('feature', policy=policy, name=name) for name, policy in sorted(self.features.items())),
            element('numa', *(element('cell', id=number, cpus=cpus, memory=memory_kib, unit='KiB')
                              for number, cpus, memory_kib in self.cells)) if self.cells else None,
            mode=self.mode, match='exact' if self.model else None,
            check='none' if self.mode in ('host-model', 'maximum') else None)


@dataclasses.dataclass
class CpuTune(Element):
    """shares: weight against other guests; quota, period: µs of CPU that each virtual CPU gets of each period (µs).

    pins: {CPU of the guest: CPUs of the host, as text}; emulator: those of the host for all else of the guest;
    realtime: CPUs of the guest that run before everything else.
    """

    shares: int | None = None
    period: int | None = None
    quota: int | None = None
    pins: dict = dataclasses.field(default_factory=dict)
    emulator: str | None = None
    realtime: tuple = ()

    def to_element(self):
        return element('cputune', optional('shares', self.shares), optional('period', self.period),
                       optional('quota', self.quota),
                       *(element('vcpupin', vcpu=cpu, cpuset=cpus) for cpu, cpus in sorted(self.pins.items())),
                       element('emulatorpin', cpuset=self.emulator) if self.emulator else None,
                       *(element('vcpusched', vcpus=cpu, scheduler='fifo', priority=1) for cpu in self.realtime))


@dataclasses.dataclass
class NumaTune(Element):
    """Where the guest's memory lies: nodes: ((cell of the guest, cell of the host), …), strictly."""

    nodes: tuple

    def to_element(self):
        nodeset = ','.join(str(host) for host in sorted({host for _guest, host in self.nodes}))
        return element('numatune', element('memory', mode='strict', nodeset=nodeset),
                       *(element('memnode', cellid=guest, mode='strict', nodeset=host) for guest, host in self.nodes))


@dataclasses.dataclass
class MemoryBacking(Element):
    """pages: ((size in KiB, cell of the guest), …); locked: never swapped out; shared: equal pages of several
    guests may be one; open: programs of the host that serve the guest's devices see it."""

    pages: tuple = ()
    locked: bool = False
    shared: bool = True
    open: bool = False

    def to_element(self):
        return element(
            'memoryBacking',
            element('hugepages', *(element('page', size=size_kb, unit='KiB', nodeset=cell)
                                   for size_kb, cell in self.pages)) if self.pages else None,
            None if self.shared else element('nosharepages'),
            element('locked') if self.locked else None,
            element('source', type='memfd') if self.open else None,
            element('access', mode='shared') if self.open else None)


@dataclasses.dataclass
class HostPci(Element):
    """A PCI device of the host, at its address ('0000:03:00.1')."""

    address: str

    def to_element(self):
        domain, bus, rest = self.address.split(':')
        slot, function = rest.split('.')
        return element('hostdev', element('source', element(
            'address', domain=f'0x{domain}', bus=f'0x{bus}', slot=f'0x{slot}', function=f'0x{function}')),
            mode='subsystem', type='pci', managed=True)


@dataclasses.dataclass
class Clock(Element):
    """offset: 'utc', or 'localtime' for guests that set their clock by it; timers: (name, {attribute: value})."""

    offset: str = 'utc'
    timers: tuple = ()

    def to_element(self):
        return element('clock', *(element('timer', name=name, **attributes) for name, attributes in self.timers),
                       offset=self.offset)


@dataclasses.dataclass
class SystemInfo(Element):
    """What the guest reads from its SMBIOS tables; software in it knows by the product where it is."""

    manufacturer: str
    product: str
    version: str
    serial: str | None
    uuid: str
    family: str = 'Virtual Machine'

    def to_element(self):
        entries = [element('entry', text=getattr(self, name), name=name)
                   for name in ('manufacturer', 'product', 'version', 'serial', 'uuid', 'family')
                   if getattr(self, name) is not None]
        return element('sysinfo', element('system', *entries), type='smbios')


@dataclasses.dataclass
class Metadata(Element):
    """What an operator who looks at the domain wants to know of the server."""

    name: str | None = None
    created_at: str | None = None
    package_version: str | None = None
    flavor_name: str | None = None
    memory_mb: int | None = None
    vcpus: int | None = None
    root_gb: int | None = None
    ephemeral_gb: int | None = None
    swap_mb: int | None = None
    user_id: str | None = None
    user_name: str | None = None
    project_id: str | None = None
    project_name: str | None = None
    image_id: str | None = None
    #: (port id, ((address, version), …))
    ports: tuple = ()

    def to_element(self):
        root = etree.Element(f'{{{NOVA_NS}}}instance', nsmap={'nova': NOVA_NS})
        self._add(root, 'package', version=self.package_version)
        self._add(root, 'name', self.name)
        if self.created_at:
            self._add(root, 'creationTime', self.created_at)
        flavor = self._add(root, 'flavor', name=self.flavor_name)
        for tag, value in (('memory', self.memory_mb), ('disk', self.root_gb), ('swap', self.swap_mb),
                           ('ephemeral', self.ephemeral_gb), ('vcpus', self.vcpus)):
            self._add(flavor, tag, value)
        owner = self._add(root, 'owner')
        self._add(owner, 'user', self.user_name or self.user_id, uuid=self.user_id)
        self._add(owner, 'project', self.project_name or self.project_id, uuid=self.project_id)
        if self.image_id:
            self._add(root, 'root', type='image', uuid=self.image_id)
        ports = self._add(root, 'ports')
        for port_id, addresses in self.ports:
            port = self._add(ports, 'port', uuid=port_id)
            for address, version in addresses:
                self._add(port, 'ip', type='fixed', address=address, ipVersion=version)
        return root

    @staticmethod
    def _add(parent, tag, text=None, **attributes):
        child = element(f'{{{NOVA_NS}}}{tag}', text=text, **attributes)
        parent.append(child)
        return child


@dataclasses.dataclass
class Guest(Element):
    """A domain."""

    virt_type: str
    name: str
    uuid: str
    memory_mb: int
    vcpus: int
    boot: Boot = dataclasses.field(default_factory=Boot)
    cpu: Cpu | None = None
    #: CPUs of the host that it keeps to, as text; None: all
    cpuset: str | None = None
    cputune: CpuTune | None = None
    numatune: NumaTune | None = None
    memory_backing: MemoryBacking | None = None
    clock: Clock | None = None
    sysinfo: SystemInfo | None = None
    metadata: Metadata | None = None
    #: names of what is simply there: acpi, apic, pae, …
    features: tuple = ()
    #: (name, whether it is on) of what is to be there or not: pmu, smm, …
    switches: tuple = ()
    hyperv: tuple = ()
    #: who makes the I/O APIC: 'qemu' or 'kvm'
    ioapic: str | None = None
    #: the guest shall not see that KVM runs it
    is_hidden: bool = False
    devices: list = dataclasses.field(default_factory=list)

    def to_element(self):
        features = [element(name) for name in self.features]
        features += [element(name, state='on' if is_on else 'off') for name, is_on in self.switches]
        if self.ioapic:
            features.append(element('ioapic', driver=self.ioapic))
        if self.is_hidden:
            features.append(element('kvm', element('hidden', state='on')))
        if self.hyperv:
            features.append(element('hyperv', *(element(name, state='on', **attributes)
                                                for name, attributes in self.hyperv)))
        return element(
            'domain',
            element('name', text=self.name),
            element('uuid', text=self.uuid),
            element('metadata', self.metadata.to_element()) if self.metadata else None,
            element('memory', text=self.memory_mb, unit='MiB'),
            _maybe(self.memory_backing),
            element('vcpu', text=self.vcpus, cpuset=self.cpuset),
            _maybe(self.cputune),
            _maybe(self.numatune),
            _maybe(self.sysinfo),
            self.boot.to_element(),
            element('features', *features) if features else None,
            _maybe(self.cpu),
            _maybe(self.clock),
            element('on_poweroff', text='destroy'),
            element('on_reboot', text='restart'),
            element('on_crash', text='destroy'),
            element('devices', *(device.to_element() for device in self.devices)),
            type=self.virt_type)


def _maybe(thing):
    return thing.to_element() if thing is not None else None


# Devices -------------------------------------------------------------------------------------------------------------

@dataclasses.dataclass
class NetworkSource(Element):
    """What QEMU itself opens over the network.

    hosts: ((name, port), …); user, secret_uuid: as whom, and which secret of libvirt proves it.
    """

    protocol: str
    name: str
    hosts: tuple = ()
    user: str | None = None
    secret_uuid: str | None = None

    def to_element(self):
        auth = None
        if self.user and self.secret_uuid:
            auth = element('auth', element('secret', type='ceph', uuid=self.secret_uuid), username=self.user)
        return element('source', *(element('host', name=name, port=port) for name, port in self.hosts), auth,
                       protocol=self.protocol, name=self.name)


@dataclasses.dataclass
class Disk(Element):
    """A disk in a file on this host, in a device of it (is_block), or elsewhere (source is a NetworkSource).

    device: 'disk', 'cdrom' or 'floppy'; bus: 'virtio', 'scsi', 'sata', 'ide', 'usb', 'fdc'; target: its name ('vda');
    boot_order: 1 is first; limits: {libvirt's iotune element: value}; backing_file, backing_format: what it is an
    overlay of.  It is always said what there is, for what is not said libvirt looks up in the file.
    """

    source: str | NetworkSource
    driver_format: str
    target: str
    bus: str
    device: str = 'disk'
    is_block: bool = False
    cache: str | None = None
    io: str | None = None
    discard: str | None = None
    boot_order: int | None = None
    serial: str | None = None
    readonly: bool = False
    limits: dict = dataclasses.field(default_factory=dict)
    backing_file: str | None = None
    backing_format: str | None = None
    is_packed: bool = False

    def to_element(self):
        if self.backing_file is None:
            backing = element('backingStore')
        else:
            backing = element('backingStore', element('format', type=self.backing_format),
                              element('source', file=self.backing_file), element('backingStore'), type='file')
        if isinstance(self.source, NetworkSource):
            kind, source = 'network', self.source.to_element()
        elif self.is_block:
            kind, source = 'block', element('source', dev=self.source)
        else:
            kind, source = 'file', element('source', file=self.source)
        return element(
            'disk',
            element('driver', name='qemu', type=self.driver_format, cache=self.cache, io=self.io, discard=self.discard,
                    packed='on' if self.is_packed else None),
            source,
            backing,
            element('target', dev=self.target, bus=self.bus),
            element('iotune', *(element(name, text=value) for name, value in sorted(self.limits.items())))
            if self.limits else None,
            optional('serial', self.serial),
            element('readonly') if self.readonly else None,
            element('boot', order=self.boot_order) if self.boot_order is not None else None,
            type=kind, device=self.device)


def source_of(disk):
    """Path of the file or device that a disk (an element) is in; None: it is in neither."""
    source = disk.find('source')
    return None if source is None else source.get('file') or source.get('dev')


@dataclasses.dataclass
class Interface(Element):
    """A network device, on a bridge of the host.

    target: the host's end of it; inbound, outbound: {'average', 'peak', 'burst': KiB and KiB/s}, seen from the guest.
    """

    mac: str
    source: str
    target: str
    model: str | None = 'virtio'
    mtu: int | None = None
    driver: str | None = None
    queues: int | None = None
    boot_order: int | None = None
    inbound: dict = dataclasses.field(default_factory=dict)
    outbound: dict = dataclasses.field(default_factory=dict)
    is_packed: bool = False

    def to_element(self):
        bandwidth = None
        if self.inbound or self.outbound:
            bandwidth = element('bandwidth',
                                element('inbound', **self.inbound) if self.inbound else None,
                                element('outbound', **self.outbound) if self.outbound else None)
        driver = None
        if self.driver or self.queues or self.is_packed:
            driver = element('driver', name=self.driver, queues=self.queues, packed='on' if self.is_packed else None)
        return element(
            'interface',
            element('mac', address=self.mac),
            element('source', bridge=self.source),
            element('target', dev=self.target),
            element('model', type=self.model) if self.model else None,
            driver,
            element('mtu', size=self.mtu) if self.mtu else None,
            bandwidth,
            element('boot', order=self.boot_order) if self.boot_order is not None else None,
            type='bridge')


@dataclasses.dataclass
class Serial(Element):
    """A serial port, recorded in `log_path`; with `port` it can be reached over TCP on `listen`, else at a terminal of
    the host."""

    log_path: str | None = None
    number: int = 0
    listen: str | None = None
    port: int | None = None

    def to_element(self):
        # `append`: what the guest said before it was stopped still tells why.
        log = element('log', file=self.log_path, append='on') if self.log_path else None
        target = element('target', port=self.number)
        if self.port is None:
            return element('serial', target, log, type='pty')
        return element('serial', element('source', mode='bind', host=self.listen, service=self.port),
                       element('protocol', type='raw'), target, log, type='tcp')


@dataclasses.dataclass
class Channel(Element):
    """A channel to a program in the guest, by its name."""

    name: str

    def to_element(self):
        return element('channel', element('source', mode='bind'), element('target', type='virtio', name=self.name),
                       type='unix')


@dataclasses.dataclass
class Graphics(Element):
    """A screen for VNC; libvirt chooses the port when the guest starts."""

    listen: str
    keymap: str | None = None

    def to_element(self):
        return element('graphics', element('listen', type='address', address=self.listen),
                       type='vnc', autoport=True, keymap=self.keymap)


@dataclasses.dataclass
class Video(Element):
    """vram_kb: memory of the graphics adapter (KiB)."""

    model: str
    vram_kb: int | None = None

    def to_element(self):
        return element('video', element('model', type=self.model, vram=self.vram_kb))


@dataclasses.dataclass
class Input(Element):
    kind: str
    bus: str

    def to_element(self):
        return element('input', type=self.kind, bus=self.bus)


@dataclasses.dataclass
class Sound(Element):
    model: str

    def to_element(self):
        return element('sound', model=self.model)


@dataclasses.dataclass
class Iommu(Element):
    """An IOMMU that the guest sees.  remaps: it is for interrupts, too, which needs the I/O APIC of QEMU."""

    model: str
    remaps: bool = False

    def to_element(self):
        # What Linux needs of it to hand devices on to guests of its own.
        driver = None
        if self.model == 'intel':
            driver = element('driver', intremap='on' if self.remaps else None, caching_mode='on')
        return element('iommu', driver, model=self.model)


@dataclasses.dataclass
class Tpm(Element):
    """A trusted platform module in software."""

    version: str
    model: str

    def to_element(self):
        return element('tpm', element('backend', type='emulator', version=self.version), model=self.model)


@dataclasses.dataclass
class FileSystem(Element):
    """The file system in a raw file of the host, mounted in a container."""

    source: str
    target: str = '/'

    def to_element(self):
        return element('filesystem', element('driver', type='loop', format='raw'), element('source', file=self.source),
                       element('target', dir=self.target), type='file', accessmode='passthrough')


@dataclasses.dataclass
class Share(Element):
    """A directory of the host that the guest mounts by a tag (virtiofs).  Needs `MemoryBacking.open`."""

    source: str
    tag: str

    def to_element(self):
        return element('filesystem', element('driver', type='virtiofs'), element('source', dir=self.source),
                       element('target', dir=self.tag), type='mount', accessmode='passthrough')


@dataclasses.dataclass
class Console(Element):
    """The console of a container: a terminal of the host."""

    def to_element(self):
        return element('console', element('target', type='lxc', port=0), type='pty')


@dataclasses.dataclass
class Rng(Element):
    """Random numbers for the guest: `bytes` of them per `period_ms` at most."""

    source: str
    max_bytes: int | None = None
    period_ms: int | None = None

    def to_element(self):
        rate = element('rate', bytes=self.max_bytes, period=self.period_ms) if self.max_bytes else None
        return element('rng', rate, element('backend', text=self.source, model='random'), model='virtio')


@dataclasses.dataclass
class MemoryBalloon(Element):
    """stats_period_s: how often the guest says what memory it uses; 0 is never."""

    stats_period_s: int = 0

    def to_element(self):
        return element('memballoon', element('stats', period=self.stats_period_s) if self.stats_period_s else None,
                       model='virtio')


@dataclasses.dataclass
class Watchdog(Element):
    """action: what happens to a guest that stops feeding it: reset, poweroff, pause, none."""

    action: str

    def to_element(self):
        return element('watchdog', model='i6300esb', action=self.action)


@dataclasses.dataclass
class Controller(Element):
    kind: str
    model: str | None = None
    index: int | None = None

    def to_element(self):
        return element('controller', type=self.kind, model=self.model, index=self.index)


# Jobs ----------------------------------------------------------------------------------------------------------------

@dataclasses.dataclass
class DiskCopy(Element):
    """A copy of one disk of a running guest.

    target: its name in the guest; file, driver_format: what it is written into; others: names of the other disks.
    """

    target: str
    file: str
    driver_format: str
    others: tuple = ()

    def to_element(self):
        return element(
            'domainbackup',
            element('disks',
                    element('disk', element('target', file=self.file), element('driver', type=self.driver_format),
                            name=self.target, backup='yes', type='file'),
                    *(element('disk', name=name, backup='no') for name in self.others)),
            mode='push')
