# SPDX-License-Identifier: Apache-2.0
"""Moving a guest while it runs.

libvirt does it, from daemon to daemon; here both hosts agree, the destination makes room, the guest's description is
rewritten for it, and the source watches.  What the two tell each other travels as plain data:

- instances_path, host, address (for libvirt), data_address (for memory and disks, or None), mark: of the destination;
- disks: {name: DiskInfo, plain}; shared: whether both see the same files; block: whether disks are copied; whole:
  whether with all that they are overlays of;
- volumes: {serial: XML of the disk} of the volumes as the destination has them;
- is_placed, tune: {'cputune', 'numatune': XML}; cpuset: CPUs that it keeps to there, or None; vnc_listen,
  serial_address, serial_ports: for the guest there;
- migration: uuid of the record.
"""

import contextlib
import os
import tempfile
import time

import libvirt
from oslo_log import log as logging
from oslo_utils import netutils, units

from nova import concurrency, conf, exception
from nova.image import transfer
from nova.virt import images, power_state
from nova.virt.libvirt import (
    cold_migration,
    config,
    console,
    diskinfo,
    disks,
    domain,
    errors,
    imagebackend,
    imagecache,
    paths,
    remote,
    vif,
    volume,
    watch,
)
from nova.virt.libvirt import guest as libvirt_guest

CONF = conf.CONF
LOG = logging.getLogger(__name__)

_FLAGS = (libvirt.VIR_MIGRATE_LIVE | libvirt.VIR_MIGRATE_PEER2PEER | libvirt.VIR_MIGRATE_PERSIST_DEST
          | libvirt.VIR_MIGRATE_UNDEFINE_SOURCE)
#: Option of [libvirt] -> flag.
_OPTIONAL_FLAGS = {
    'live_migration_tunnelled': libvirt.VIR_MIGRATE_TUNNELLED,
    'live_migration_with_native_tls': libvirt.VIR_MIGRATE_TLS,
    'live_migration_permit_auto_converge': libvirt.VIR_MIGRATE_AUTO_CONVERGE,
    'live_migration_permit_post_copy': libvirt.VIR_MIGRATE_POSTCOPY,
}


#: How long (s) it may take to find out where a guest is after libvirt went away.
_PATIENCE_S = 60


class Refused(exception.MigrationPreCheckError):
    """The two hosts, or the server, are not made for it."""


# Before --------------------------------------------------------------------------------------------------------------

def check_destination(host, instance, source_node, own_node, block_migration, disk_over_commit):
    """What the source has to know of this host.  Raises Refused.  `clear` removes what it leaves."""
    if source_node is not None:
        _require_like(host, source_node)
    if libvirt_guest.Guest(host, instance.uuid).exists():
        raise Refused(reason=f'there is a guest of server {instance.uuid} on {CONF.host} already')
    os.makedirs(CONF.instances_path, exist_ok=True)
    descriptor, mark = tempfile.mkstemp(prefix='.mark-', dir=CONF.instances_path)
    os.close(descriptor)
    space = os.statvfs(CONF.instances_path)
    # Where new disks are volumes the promises are those of their group, and what comes is files.
    promised_gb = None if imagebackend.backend().group else getattr(own_node, 'disk_available_least', None)
    return {'host': CONF.host, 'address': CONF.libvirt.live_migration_inbound_addr or CONF.host,
            'data_address': CONF.libvirt.live_migration_inbound_addr,
            'instances_path': os.path.abspath(CONF.instances_path), 'mark': os.path.basename(mark),
            'wants_block': block_migration, 'disk_over_commit': disk_over_commit,
            'free_bytes': space.f_bavail * space.f_frsize,
            'promised_gb': promised_gb}


def _require_like(host, source_node):
    """Raises Refused where a guest of that host could not run here."""
    if source_node.hypervisor_type and source_node.hypervisor_type != host.hypervisor_type():
        raise Refused(reason=f'{source_node.host} runs {source_node.hypervisor_type}, {CONF.host} '
                             f'{host.hypervisor_type()}')
    if (source_node.hypervisor_version or 0) > host.hypervisor_version():
        raise Refused(reason=f'the hypervisor of {CONF.host} ({host.hypervisor_version()}) is older than that of '
                             f'{source_node.host} ({source_node.hypervisor_version})')


def clear(data):
    """Remove what `check_destination` left."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(CONF.instances_path, os.path.basename(data['mark'])))


def check_source(host, image_api, context, instance, data, block_device_info):
    """The data, completed.  Raises Refused."""
    known = _disks(instance)
    try:
        disks.require_files(instance, known)
    except disks.DisksStay as exc:
        raise Refused(reason=str(exc)) from exc
    if data['instances_path'] != os.path.abspath(CONF.instances_path):
        raise Refused(reason=f'instances_path: {data["host"]} has {data["instances_path"]}, {CONF.host} '
                             f'{os.path.abspath(CONF.instances_path)}; they must be the same')
    shared = os.path.exists(os.path.join(CONF.instances_path, os.path.basename(data['mark'])))
    block = not shared and bool(known) if data['wants_block'] is None else data['wants_block']
    if block and shared:
        raise Refused(reason=f'block migration: {CONF.host} and {data["host"]} share the disks of servers already')
    if known and not block and not shared:
        raise Refused(reason=f'{CONF.host} and {data["host"]} do not share the disks of servers: only block migration '
                             'can move them')
    if block and CONF.libvirt.live_migration_tunnelled:
        raise Refused(reason='[libvirt]live_migration_tunnelled: disks cannot be copied through a tunnel')
    if (instance.placement or {}).get('pci'):
        raise Refused(reason='the server has PCI devices of its host')
    if block:
        _require_space(instance, known, data)
    libvirt_guest.Guest(host, instance.uuid).info()
    _require_volumes(block_device_info, data)
    whole = not all(cold_migration.can_be_fetched(image_api, context, instance, info) for info in known.values())
    return {**data, 'shared': shared, 'block': bool(block), 'whole': whole,
            'shares_volumes': bool(volume.of_host(block_device_info)),
            'disks': {name: diskinfo.to_dict(info) for name, info in known.items()}}


def _require_volumes(block_device_info, data):
    """Raises Refused where the other host does not see the volumes that are files."""
    if not volume.of_host(block_device_info):
        return
    try:
        with remote.Remote(data['address']) as other:
            volume.require_seen(block_device_info, other)
    except (exception.NovaException, OSError) as exc:
        raise Refused(reason=str(exc)) from exc


def _disks(instance):
    """{name: DiskInfo} of the disks of a server, without what another action left."""
    return {name: info for name, info in diskinfo.of(instance).items()
            if os.path.exists(diskinfo.path(paths.of(instance), name, info))}


def _require_space(instance, known, data):
    """Raises Refused when the disks do not fit: in full, or (over commit) what they take now."""
    if data['disk_over_commit']:
        needed = sum(disk['disk_size'] for disk in disks.usage(instance.uuid, known))
        free = data['free_bytes']
    else:
        needed = sum(info.size for info in known.values())
        promised_gb = data['promised_gb']
        free = data['free_bytes'] if promised_gb is None else promised_gb * units.Gi
    if needed > free:
        raise Refused(reason=f'the disks of the server take {needed // units.Mi} MiB, {data["host"]} has '
                             f'{max(free, 0) // units.Mi} MiB')


# The destination -----------------------------------------------------------------------------------------------------

def prepare(host, image_api, request, data):
    """Make disks and networks for a guest that will come; the data with what it has to become.  See `roll_back`."""
    instance = request.instance
    if data['block']:
        _make_disks(image_api, request, data)
    vif.plug(request.network_info)
    volume.connect_all(request.block_device_info)
    plan = domain.Plan(instance, instance.image_meta, request.network_info, [], {}, None)
    tune, ports = {}, []
    if instance.placement:
        tune = {name: part.to_xml() for name, part in domain.tuning(host, plan).items() if part is not None}
    if CONF.serial_console.enabled:
        with console.ports(host, domain.serial_port_count(instance, instance.image_meta, host.arch)) as found:
            ports = found
    return {**data, 'volumes': volume.sources(request.block_device_info),
            'tune': tune, 'is_placed': bool(instance.placement), 'cpuset': domain.cpuset(host, plan),
            'vnc_listen': CONF.vnc.server_listen, 'serial_ports': ports,
            'serial_address': CONF.serial_console.proxyclient_address}


def _make_disks(image_api, request, data):
    """Disks of the same size and over the same image; their content comes with the guest."""
    instance = request.instance
    os.makedirs(paths.of(instance), exist_ok=True)
    disks.take(instance)
    for name, values in data['disks'].items():
        info = diskinfo.DiskInfo(**values)
        if data['whole']:
            info = diskinfo.alone(info)
        path = paths.of(instance, name)
        # Of a try that was cut off.
        transfer.remove(path)
        below = ()
        if info.base is not None:
            cached = imagecache.find(info.base) or imagecache.remake(info.base) or imagecache.fetch(
                request.context, image_api, instance.image_ref)
            disks.require_same(cached, path, info)
            below = (cached.path, cached.format)
        images.create(path, info.format, info.size, *below)
        diskinfo.record(instance, name, info)
    disks.make_plain_files(disks.Wanted(request.context, image_api, instance, []))


def roll_back(host, instance, network_info, data):
    """Undo `prepare`, but for the volumes; whether it was: a guest that runs here is left alone, it has arrived."""
    guest = libvirt_guest.Guest(host, instance.uuid)
    with contextlib.suppress(exception.InstanceNotFound):
        if guest.power_state() == power_state.RUNNING:
            LOG.warning('The guest runs here: nothing is taken back', instance_uuid=instance.uuid)
            return False
        guest.kill()
        guest.undefine()
    vif.unplug(network_info)
    if not is_shared(data):
        disks.remove(instance)
    return True


# The source ----------------------------------------------------------------------------------------------------------

def move(host, instance, migration, data):
    """Send the running guest; returns when it has arrived.

    Raises MigrationCancelled when it was stopped, else what went wrong: the guest runs here still.
    """
    guest = libvirt_guest.Guest(host, instance.uuid)
    if not data['shared']:
        _send_files(instance, guest, data)
    disks_to_copy = copied(guest, data)
    flags, parameters = _flags(data, disks_to_copy), _parameters(guest, data, disks_to_copy)
    began = time.monotonic()
    with watch.registered(guest, migration, _gigabytes(instance, data), data) as watcher:
        task = concurrency.spawn(guest.migrate, remote.uri_of(data['address']), flags, parameters)
        watcher.follow(task)
        try:
            task.wait()
        except exception.NovaException as exc:
            if not _has_arrived(host, guest, data):
                _go_on(guest, instance)
                raise (watcher.reason_to_stop or exc) from exc
    LOG.info('The guest is on %s, after %.1f s', data['host'], time.monotonic() - began, instance_uuid=instance.uuid)


def _send_files(instance, guest, data):
    """What is not copied with the guest: disks that it only reads (the config drive, if it is a CD), and its console.

    All are files that the host wrote.
    """
    written = _written(guest, data)
    files = {name: paths.of(instance, name) for name in data['disks'] if name not in written}
    with tempfile.NamedTemporaryFile() as log, remote.Remote(data['address']) as other:
        log.write(console.read_log(instance))
        log.flush()
        other.send({**files, paths.CONSOLE_LOG: log.name}, paths.of(instance), is_plain=True)


def _written(guest, data):
    """{name: target} of the local disks that the guest writes."""
    found = {}
    for disk in guest.document().iterfind('devices/disk'):
        source = disk.find('source')
        name = os.path.basename(source.get('file') or '') if source is not None else None
        if name in data['disks'] and disk.find('readonly') is None:
            found[name] = disk.find('target').get('dev')
    return found


def copied(guest, data):
    """Names of the disks that the hypervisor copies with the guest; empty where it has none that it writes."""
    return sorted(_written(guest, data).values()) if data['block'] else []


def _flags(data, disks_to_copy):
    flags = _FLAGS
    for option, flag in _OPTIONAL_FLAGS.items():
        if getattr(CONF.libvirt, option):
            flags |= flag
    if disks_to_copy:
        # Not with an empty list: libvirt would copy all disks, and volumes onto themselves.
        flags |= libvirt.VIR_MIGRATE_NON_SHARED_DISK if data['whole'] else libvirt.VIR_MIGRATE_NON_SHARED_INC
    if data['shared'] or data.get('shares_volumes'):
        # That the files are shared was seen, which libvirt believes only of some file systems.
        flags |= libvirt.VIR_MIGRATE_UNSAFE
    return flags


def _parameters(guest, data, disks_to_copy):
    parameters = {
        libvirt.VIR_MIGRATE_PARAM_DEST_XML: config.text_of(rewritten(guest.moving_document(), data)),
        libvirt.VIR_MIGRATE_PARAM_PERSIST_XML: config.text_of(rewritten(guest.moving_document(inactive=True), data))}
    if data['data_address'] and not CONF.libvirt.live_migration_tunnelled:
        parameters[libvirt.VIR_MIGRATE_PARAM_URI] = f'tcp://{netutils.escape_ipv6(data["data_address"])}'
    if disks_to_copy:
        parameters[libvirt.VIR_MIGRATE_PARAM_MIGRATE_DISKS] = disks_to_copy
    if CONF.libvirt.live_migration_bandwidth:
        parameters[libvirt.VIR_MIGRATE_PARAM_BANDWIDTH] = CONF.libvirt.live_migration_bandwidth
    return parameters


def rewritten(root, data):
    """A domain's document, changed into that of the same guest on the destination."""
    for name in ('cputune', 'numatune') if data['is_placed'] else ():
        for old in root.findall(name):
            root.remove(old)
        if name in data['tune']:
            root.insert(list(root).index(root.find('os')), config.parse(data['tune'][name]))
    vcpu = root.find('vcpu')
    if vcpu is not None and 'cpuset' in data:
        vcpu.attrib.pop('cpuset', None)
        vcpu.attrib.update({'cpuset': data['cpuset']} if data['cpuset'] else {})
    for graphics in root.iterfind('devices/graphics'):
        for element in (graphics, *graphics.iterfind("listen[@type='address']")):
            for key in {'listen', 'address'} & set(element.keys()):
                element.set(key, data['vnc_listen'])
    _set_serial_ports(root, data)
    volume.put_sources(root, data.get('volumes') or {})
    if data['whole']:
        for disk in root.iterfind('devices/disk'):
            source = disk.find('source')
            if source is not None and os.path.basename(source.get('file') or '') in data['disks']:
                for backing in disk.findall('backingStore'):
                    disk.replace(backing, config.element('backingStore'))
    return root


def _set_serial_ports(root, data):
    """The first serial port is there a second time, as the console."""
    numbers = {}
    for source in (source for kind in ('serial', 'console')
                   for source in root.iterfind(f"devices/{kind}[@type='tcp']/source[@mode='bind']")):
        old = source.get('service')
        if old not in numbers and len(numbers) < len(data['serial_ports']):
            numbers[old] = data['serial_ports'][len(numbers)]
        if old in numbers:
            source.set('service', str(numbers[old]))
            source.set('host', data['serial_address'])


def _gigabytes(instance, data):
    size_mb = instance.flavor.memory_mb
    if data['block']:
        size_mb += sum(info['size'] for info in data['disks'].values()) // units.Mi
    return max(2, -(-size_mb // units.Ki))


def _has_arrived(host, guest, data):
    """Whether the guest is at the destination, whatever libvirt said: the connection may have been lost at the end."""
    until = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until:
        try:
            if guest.exists():
                return False
            with remote.Remote(data['address']) as other:
                return other.runs(guest.uuid)
        except (exception.HypervisorUnavailable, remote.Unreachable) as exc:
            LOG.warning('It is not known yet where guest %s is: %s', guest.uuid, exc)
            concurrency.sleep(2)
    return False


def end_interrupted(guest, instance):
    """Stop what an earlier start of this process began; the guest runs here then, unless it has gone already."""
    with contextlib.suppress(exception.InstanceNotFound):
        for _look in range(_PATIENCE_S):
            if guest.job()['type'] == libvirt.VIR_DOMAIN_JOB_NONE:
                break
            with contextlib.suppress(errors.LibvirtError):
                guest.abort_job()
            concurrency.sleep(1)
        _go_on(guest, instance)


def _go_on(guest, instance):
    """What was done to let it arrive is taken back."""
    with contextlib.suppress(exception.NovaException):
        if instance.power_state == power_state.RUNNING:
            guest.unpause()


def left(instance, data):
    """At the source: files that both hosts see are the destination's, whether or not it can be told that it has them.

    Else they would be taken here for what the guest left behind.
    """
    if is_shared(data) and os.path.isdir(paths.of(instance)):
        disks.take(instance, data['host'])


def is_shared(data):
    """Whether both hosts of a live migration see the same files of the server.  `data`: None where there is none."""
    return bool((data or {}).get('shared'))


def arrived(instance):
    """At the destination: the files are this host's."""
    if os.path.isdir(paths.of(instance)):
        disks.take(instance)
