# SPDX-License-Identifier: Apache-2.0
"""One domain, looked up anew by its uuid for every call: it survives a restart of the daemon."""

import time

import libvirt

from nova import concurrency, exception
from nova.virt import hardware
from nova.virt.libvirt import config, errors
from nova.virt.libvirt import host as libvirt_host

# How often, and how long apart (s), a guest is killed that does not die: its disks may hold it in the kernel.
_KILL_ATTEMPTS = 3
_KILL_PAUSE_S = 2

_UNDEFINE = (libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | libvirt.VIR_DOMAIN_UNDEFINE_KEEP_NVRAM
             | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA)

# How much of a terminal is read at once (bytes).
_TERMINAL_BYTES = 64 * 1024

_NAME_TAKEN = (libvirt.VIR_ERR_DOM_EXIST, libvirt.VIR_ERR_OPERATION_FAILED)

# libvirt's word for no limit (MiB/s).
_UNLIMITED_MBS = (2 ** 63 - 1) // 2 ** 20

#: Name of the channel to the agent of QEMU.
AGENT = 'org.qemu.guest_agent.0'


def define(host, document, instance_id=None):
    """Record a domain (a `config.Guest`), or replace the one of that uuid.  Returns its `Guest`.

    Raises InstanceExists if another domain has its name.
    """
    define_again(host, document.to_xml(), document.name, instance_id)
    return Guest(host, document.uuid)


def define_again(host, xml, name, instance_id=None):
    """The same with what libvirt itself wrote about a domain."""
    try:
        host.call(lambda connection: connection.defineXML(xml), instance_id=instance_id)
    except errors.LibvirtError as exc:
        if exc.code in _NAME_TAKEN and name in host.list_names():
            raise exception.InstanceExists(name=name) from exc
        raise


class Guest:
    """The domain with this uuid.  Every method raises InstanceNotFound when there is none."""

    def __init__(self, host, uuid):
        self.host = host
        self.uuid = uuid

    def _call(self, function, *args):
        """`function(domain, *args)` in a native thread."""
        def run(connection):
            return function(connection.lookupByUUIDString(self.uuid), *args)
        return self.host.call(run, instance_id=self.uuid)

    # What it is ------------------------------------------------------------------------------------------------------

    def exists(self):
        try:
            self._call(lambda domain: None)
        except exception.InstanceNotFound:
            return False
        return True

    def name(self):
        return self._call(lambda domain: domain.name())

    def info(self):
        """`hardware.InstanceInfo`."""
        def ask(domain):
            state, max_mem_kb, mem_kb, num_cpu, cpu_time_ns = domain.info()
            saved = state == libvirt.VIR_DOMAIN_SHUTOFF and _has_saved(domain)
            return hardware.InstanceInfo(libvirt_host.power_state_of(state, saved), max_mem_kb, mem_kb, num_cpu,
                                         cpu_time_ns, domain.ID())
        return self._call(ask)

    def is_active(self):
        """Whether the hypervisor runs it, be it paused or asleep."""
        return bool(self._call(lambda domain: domain.isActive()))

    def power_state(self):
        """One of `nova.virt.power_state`."""
        return self.info().state

    def document(self, inactive=False):
        """Its XML as it runs, or as it will be when it starts again (`inactive`), as an element."""
        flags = libvirt.VIR_DOMAIN_XML_INACTIVE if inactive else 0
        return config.parse(self._call(lambda domain: domain.XMLDesc(flags)))

    # Power -----------------------------------------------------------------------------------------------------------

    def start(self, paused=False):
        """Nothing happens when it runs."""
        flags = libvirt.VIR_DOMAIN_START_PAUSED if paused else 0

        def run(domain):
            if not domain.isActive():
                domain.createWithFlags(flags)
        self._call(run)

    def shut_down(self):
        """Press the power button; what comes of it is up to the guest.  Nothing happens when it does not run."""
        def run(domain):
            if domain.isActive():
                domain.shutdown()
        self._call_racing_its_end(run)

    def kill(self):
        """Pull the plug.  Nothing happens when it does not run.

        Raises InstancePowerOffFailure when it is still there after several attempts.
        """
        def run(domain):
            if domain.isActive():
                domain.destroy()
        for left in reversed(range(_KILL_ATTEMPTS)):
            try:
                self._call_racing_its_end(run)
                return
            except errors.LibvirtError as exc:
                if not left:
                    raise exception.InstancePowerOffFailure(reason=exc.format_message()) from exc
                concurrency.sleep(_KILL_PAUSE_S)

    def _call_racing_its_end(self, function):
        try:
            self._call(function)
        except errors.WrongGuestState:
            if self.is_active():
                raise

    def pause(self):
        """Nothing happens when it is paused.  Raises `errors.WrongGuestState` when it does not run."""
        def run(domain):
            if domain.info()[0] != libvirt.VIR_DOMAIN_PAUSED:
                domain.suspend()
        self._call(run)

    def unpause(self):
        """Wakes it, too, when it put itself to sleep.  Nothing happens when it is neither."""
        def run(domain):
            state = domain.info()[0]
            if state == libvirt.VIR_DOMAIN_PAUSED:
                domain.resume()
            elif state == libvirt.VIR_DOMAIN_PMSUSPENDED:
                domain.pMWakeup(0)
        self._call(run)

    def save(self):
        """Put its memory on the disk and stop it; `start` goes on from there.  Nothing happens when it does not run."""
        def run(domain):
            if domain.isActive():
                domain.managedSave(0)
        self._call(run)

    def forget_saved(self):
        """The next start is a boot."""
        def run(domain):
            if _has_saved(domain):
                domain.managedSaveRemove(0)
        self._call(run)

    def inject_nmi(self):
        self._call(lambda domain: domain.injectNMI(0))

    # Disks -----------------------------------------------------------------------------------------------------------

    def begin_copy(self, document):
        """Have the hypervisor copy disks as they are at this moment, while the guest goes on.

        :param document: `config.DiskCopy`; the files are there already.
        Raises `errors.WrongGuestState` when it does not run, or something else copies its disks.
        """
        xml = document.to_xml()
        self._call(lambda domain: domain.backupBegin(xml, None, libvirt.VIR_DOMAIN_BACKUP_BEGIN_REUSE_EXTERNAL))

    def copied(self):
        """How many bytes that copy has done so far; None: it is complete.  Raises `errors.LibvirtError` when it failed.
        """
        def ask(domain):
            now = domain.jobStats()
            if now['type'] != libvirt.VIR_DOMAIN_JOB_NONE:
                return now, None
            flags = libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED | libvirt.VIR_DOMAIN_JOB_STATS_KEEP_COMPLETED
            return now, domain.jobStats(flags)
        now, last = self._call(ask)
        if last is None:
            return now.get('disk_processed', 0)
        if last.get('type') != libvirt.VIR_DOMAIN_JOB_COMPLETED:
            raise errors.LibvirtError(reason=f'the copy of a disk ended early: {last.get("errmsg") or "cancelled"}')
        return None

    def stop_copy(self):
        """Nothing happens when none is under way."""
        def run(domain):
            if domain.isActive() and domain.jobStats()['type'] != libvirt.VIR_DOMAIN_JOB_NONE:
                domain.abortJob()
        self._call_racing_its_end(run)

    def begin_disk_copy(self, target, xml):
        """Have the hypervisor copy a disk to another place, described by the XML of a disk, and keep both the same.

        Raises `errors.WrongGuestState` when it does not run.
        """
        flags = libvirt.VIR_DOMAIN_BLOCK_COPY_REUSE_EXT | libvirt.VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB
        self._call(lambda domain: domain.blockCopy(target, xml, None, flags))

    def disk_copy_left(self, target):
        """How many bytes the two are apart; None when that is not known yet, or nothing is copied."""
        job = self._call(lambda domain: domain.blockJobInfo(target, 0))
        return job['end'] - job['cur'] if job and job['cur'] else None

    def use_disk_copy(self, target):
        """Go on with that copy instead of the disk."""
        self._call(lambda domain: domain.blockJobAbort(target, libvirt.VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT))

    def stop_disk_copy(self, target):
        """Go on with the disk.  Nothing happens when it is not being copied."""
        def run(domain):
            if domain.isActive() and domain.blockJobInfo(target, 0):
                domain.blockJobAbort(target, 0)
        self._call_racing_its_end(run)

    def resize_disk(self, target, size):
        """Tell a running guest that a disk is that large now (bytes).  Nothing happens when it does not run."""
        def run(domain):
            if domain.isActive():
                domain.blockResize(target, size, libvirt.VIR_DOMAIN_BLOCK_RESIZE_BYTES)
        self._call(run)

    # Devices ---------------------------------------------------------------------------------------------------------

    def attach(self, xml):
        """Add a device, for good, and at once if it runs."""
        def run(domain):
            flags = libvirt.VIR_DOMAIN_AFFECT_CONFIG
            if domain.isActive():
                flags |= libvirt.VIR_DOMAIN_AFFECT_LIVE
            domain.attachDeviceFlags(xml, flags)
        self._call(run)

    def change(self, xml):
        """Record a device otherwise; what runs goes on as it is."""
        self._call(lambda domain: domain.updateDeviceFlags(xml, libvirt.VIR_DOMAIN_AFFECT_CONFIG))

    def detach(self, device, live):
        """Take out a device, an element of its document: as recorded, or (`live`) ask the running guest to let go."""
        xml = config.text_of(device)
        flags = libvirt.VIR_DOMAIN_AFFECT_LIVE if live else libvirt.VIR_DOMAIN_AFFECT_CONFIG
        self._call(lambda domain: domain.detachDeviceFlags(xml, flags))

    # Moving ----------------------------------------------------------------------------------------------------------

    def moving_document(self, inactive=False):
        """Its XML for another host, as an element: as it runs, or as it will be when it starts again (`inactive`)."""
        flags = libvirt.VIR_DOMAIN_XML_MIGRATABLE | libvirt.VIR_DOMAIN_XML_SECURE
        if inactive:
            flags |= libvirt.VIR_DOMAIN_XML_INACTIVE
        return config.parse(self._call(lambda domain: domain.XMLDesc(flags)))

    def migrate(self, uri, flags, parameters):
        """Send it, running, to libvirt at that URI; returns when it has arrived.

        Raises `errors.WrongGuestState` when that was stopped, else `errors.LibvirtError`: it goes on here.
        """
        def run(connection):
            # Not again when the connection is lost: nobody knows how far it has come.
            try:
                connection.lookupByUUIDString(self.uuid).migrateToURI3(uri, parameters, flags)
            except libvirt.libvirtError as exc:
                return exc
            return None
        error = self.host.call(run, instance_id=self.uuid)
        if error is not None and errors.is_disconnect(error):
            # It may as well be that between the two daemons.
            raise errors.LibvirtError(reason=error.get_error_message(), code=error.get_error_code())
        if error is not None:
            with errors.translated(self.uuid):
                raise error

    def job(self):
        """libvirt's figures of what it does to the guest; {'type': VIR_DOMAIN_JOB_NONE} when it does nothing."""
        return self._call(lambda domain: domain.jobStats())

    def abort_job(self):
        """Stop what libvirt does to it.  Raises `errors.WrongGuestState` when it does nothing."""
        self._call(lambda domain: domain.abortJob())

    def allow_downtime(self, milliseconds):
        self._call(lambda domain: domain.migrateSetMaxDowntime(milliseconds))

    def unlimit_migration(self):
        """It may take all of the network from now on."""
        self._call(lambda domain: domain.migrateSetMaxSpeed(_UNLIMITED_MBS))

    def start_post_copy(self):
        """Let it run at the destination now.  Raises `errors.LibvirtError` when it was not sent with that in mind."""
        self._call(lambda domain: domain.migrateStartPostCopy())

    # What it says ----------------------------------------------------------------------------------------------------

    def read_terminal(self, silence_s):
        """What it wrote to its console since somebody last read it, as bytes; b'' when it does not run.

        :param silence_s: after so many seconds without a word it has said all.
        """
        return self._call(_read_terminal, silence_s)

    # Its agent -------------------------------------------------------------------------------------------------------

    def has_agent(self):
        """Whether it was given a channel for an agent; whether one listens is another question."""
        return self.document().find(f"devices/channel/target[@name='{AGENT}']") is not None

    def freeze(self):
        """Make its file systems complete on disk, and hold writes back.  Raises `errors.AgentSilent`."""
        self._call(lambda domain: domain.fsFreeze())

    def thaw(self):
        """Raises `errors.AgentSilent`."""
        self._call(lambda domain: domain.fsThaw())

    def set_password(self, user, password):
        """Raises `errors.AgentSilent`."""
        self._call(lambda domain: domain.setUserPassword(user, password, 0))

    # End -------------------------------------------------------------------------------------------------------------

    def undefine(self):
        """Remove it from libvirt, with all libvirt keeps of it (saved memory, state of a trusted platform module).

        What firmware remembers is a file of the server, like its disks: it stays.  Nothing happens when there is none.
        """
        try:
            # Containers have none of it, and libvirt refuses to hear of it.
            self._call(lambda domain: domain.undefineFlags(0 if domain.OSType() == 'exe' else _UNDEFINE))
        except exception.InstanceNotFound:
            return

    # What it uses ----------------------------------------------------------------------------------------------------

    def usage(self):
        """{'cpu': [ns, …], 'memory': {…}, 'disks': {name: (reads, bytes, writes, bytes, errors)},
        'nics': {device: (rx bytes, packets, errors, drops, tx …)}}; what a guest that does not run has none of is
        empty."""
        root = self.document()
        disks = [target.get('dev') for target in root.iterfind('devices/disk/target')]
        nics = [(target.get('dev'), mac.get('address')) for target, mac in
                ((nic.find('target'), nic.find('mac')) for nic in root.iterfind('devices/interface'))
                if target is not None and mac is not None]
        return self._call(_usage, disks, nics)


def _read_terminal(domain, silence_s):
    """Runs in a native thread."""
    if not domain.isActive():
        return b''
    stream, found = domain.connect().newStream(libvirt.VIR_STREAM_NONBLOCK), b''
    try:
        domain.openConsole(None, stream, 0)
        end = time.monotonic() + silence_s
        while len(found) < _TERMINAL_BYTES and time.monotonic() < end:
            more = stream.recv(_TERMINAL_BYTES)
            if more == b'':
                break
            if isinstance(more, bytes):
                found += more
                end = time.monotonic() + silence_s
            else:
                # Nothing for now.
                time.sleep(silence_s / 10)
    finally:
        _or(stream.abort)
    return found


def _has_saved(domain):
    """Whether its memory is on the disk; never that of a container."""
    try:
        return domain.hasManagedSaveImage(0)
    except libvirt.libvirtError as exc:
        if exc.get_error_code() != libvirt.VIR_ERR_NO_SUPPORT:
            raise
        return False


def _usage(domain, disks, nics):
    """Runs in a native thread."""
    used = {'cpu': [], 'memory': {}, 'disks': {}, 'nics': {}}
    if not domain.isActive():
        return used
    used['cpu'] = [cpu[2] for cpu in _or(domain.vcpus, ([], []))[0]]
    used['memory'] = _or(domain.memoryStats, {})
    for name in disks:
        stats = _or(lambda name=name: domain.blockStats(name))
        if stats:
            used['disks'][name] = tuple(stats)
    for device, mac in nics:
        stats = _or(lambda device=device: domain.interfaceStats(device))
        if stats:
            used['nics'][device] = (mac, *stats)
    return used


def _or(ask, otherwise=None):
    """What libvirt says, or `otherwise` if it cannot say that of this guest."""
    try:
        return ask()
    except libvirt.libvirtError as exc:
        if errors.is_disconnect(exc):
            raise
        return otherwise
