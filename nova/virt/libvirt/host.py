# SPDX-License-Identifier: Apache-2.0
"""The libvirt daemon of this host: the connection, what it can do, and what it tells.

A connection that breaks is made anew by the next call, and in any case every few seconds, so that events go on.
"""

import copy
import functools

import libvirt
from oslo_log import log as logging
from oslo_utils import units

from nova import concurrency, conf, exception
from nova import context as nova_context
from nova.notifications import tell
from nova.virt import event, power_state
from nova.virt.libvirt import config, errors, events

CONF = conf.CONF
LOG = logging.getLogger(__name__)

#: The oldest libvirt and QEMU this is written for.
MIN_LIBVIRT = (7, 0, 0)
MIN_QEMU = (5, 2, 0)

_URIS = {'kvm': 'qemu:///system', 'qemu': 'qemu:///system', 'lxc': 'lxc:///system'}

#: libvirt's states of a domain, as ours.  A guest that is shutting down still runs.
POWER_STATES = {
    libvirt.VIR_DOMAIN_NOSTATE: power_state.NOSTATE,
    libvirt.VIR_DOMAIN_RUNNING: power_state.RUNNING,
    libvirt.VIR_DOMAIN_BLOCKED: power_state.RUNNING,
    libvirt.VIR_DOMAIN_PAUSED: power_state.PAUSED,
    libvirt.VIR_DOMAIN_SHUTDOWN: power_state.RUNNING,
    libvirt.VIR_DOMAIN_SHUTOFF: power_state.SHUTDOWN,
    libvirt.VIR_DOMAIN_CRASHED: power_state.CRASHED,
    libvirt.VIR_DOMAIN_PMSUSPENDED: power_state.SUSPENDED,
}

# What a guest was found to have done while nobody listened.
_MISSED = {
    power_state.RUNNING: event.EVENT_LIFECYCLE_STARTED,
    power_state.SHUTDOWN: event.EVENT_LIFECYCLE_STOPPED,
    power_state.CRASHED: event.EVENT_LIFECYCLE_STOPPED,
    power_state.PAUSED: event.EVENT_LIFECYCLE_PAUSED,
    power_state.SUSPENDED: event.EVENT_LIFECYCLE_SUSPENDED,
}


def quietly(_context, _error):
    """libvirt prints every error to stderr unless somebody takes it; the exception says it all."""


class Host:
    """The daemon.  `start` connects; `call` runs functions with the connection, in native threads.

    :param uri: of the daemon; by default what is configured.
    :param on_lifecycle: f(uuid, EVENT_LIFECYCLE_…), called on the green side when something happens to a guest.
    """

    def __init__(self, uri=None, on_lifecycle=None):
        self.uri = uri or CONF.libvirt.connection_uri or _URIS[CONF.libvirt.virt_type]
        self._on_lifecycle = on_lifecycle
        self._connection = None
        self._stopped = False
        #: Whether it was told that the daemon is out of reach.
        self._told = False
        self._states = {}
        self._stream = events.Stream({'lifecycle': self._lifecycle, 'closed': self._closed})

    # The connection --------------------------------------------------------------------------------------------------

    def start(self):
        """Connect, and listen.  Raises HypervisorUnavailable, or `exception.Invalid` for a daemon that is too old."""
        libvirt.registerErrorHandler(quietly, None)
        self._stopped = False
        events.LOOP.ensure()
        self._stream.start()
        try:
            self.connection()
            self._require_versions()
        except BaseException:
            self.stop()
            raise

    def stop(self):
        """Let go of the daemon; guests go on running.  Safe to call twice."""
        self._stopped = True
        self._stream.stop()
        connection, self._connection = self._connection, None
        if connection is not None:
            concurrency.native(_close, connection)

    def connection(self):
        """The living connection, made anew if need be.  Raises HypervisorUnavailable."""
        connection = self._connection
        if connection is not None:
            return connection
        with concurrency.lock(f'libvirt-connection-{id(self)}'):
            if self._connection is None:
                if self._stopped:
                    raise exception.HypervisorUnavailable(host=CONF.host)
                try:
                    connection, states = concurrency.native(self._open)
                except libvirt.libvirtError as exc:
                    self._is_out_of_reach(exc)
                    raise exception.HypervisorUnavailable(host=CONF.host) from exc
                self._connection, self._told = connection, False
                LOG.info('Connected to libvirt at %s', self.uri)
                self._catch_up(states)
            return self._connection

    def _is_out_of_reach(self, error):
        """Said in the log each time; those who listen are told once, until it was there again."""
        LOG.warning('libvirt at %s cannot be reached: %s', self.uri, error.get_error_message())
        if not self._told:
            self._told = True
            tell.libvirt_connect_error(nova_context.get_admin_context(), CONF.my_ip, error)

    def _open(self):
        """Runs in a native thread.  Returns (connection, {uuid: power state})."""
        connection = libvirt.openAuth(self.uri, [[], lambda _credentials, _data: -1, None], 0)
        try:
            connection.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, self._from_libvirt, None)
            try:
                connection.registerCloseCallback(self._connection_lost, None)
                connection.setKeepAlive(CONF.libvirt.keepalive_interval, CONF.libvirt.keepalive_count)
            except libvirt.libvirtError as exc:
                # Local drivers (libvirt's own one for tests) have nothing that could be lost.
                if exc.get_error_code() != libvirt.VIR_ERR_NO_SUPPORT:
                    raise
            return connection, _states(connection)
        except BaseException:
            _close(connection)
            raise

    def call(self, function, *args, instance_id=None):
        """`function(connection, *args)`, run in a native thread, with libvirt's errors translated.

        The function must touch nothing green, and doing it again must do no harm: it is repeated once when the
        connection was found to be broken.  :param instance_id: the server it is about, for InstanceNotFound.
        """
        connection = self.connection()
        try:
            return self._run(connection, function, args, instance_id)
        except exception.HypervisorUnavailable:
            # The daemon was restarted, perhaps, and nobody noticed yet.
            self._forget(connection)
        connection = self.connection()
        try:
            return self._run(connection, function, args, instance_id)
        except exception.HypervisorUnavailable:
            self._forget(connection)
            raise

    @staticmethod
    def _run(connection, function, args, instance_id):
        with errors.translated(instance_id):
            return concurrency.native(function, connection, *args)

    def _forget(self, connection):
        """This connection is broken: the next call makes a new one."""
        if self._connection is connection:
            self._connection = None

    # From libvirt's thread: nothing green here -----------------------------------------------------------------------

    def _from_libvirt(self, _connection, domain, kind, detail, _opaque):
        self._stream.put('lifecycle', domain.UUIDString(), kind, detail)

    def _connection_lost(self, connection, reason, _opaque):
        self._stream.put('closed', connection, reason)

    # On the green side -----------------------------------------------------------------------------------------------

    def _lifecycle(self, uuid, kind, detail):
        transition = events.transition_of(kind, detail)
        if transition is not None:
            self._tell(uuid, transition)

    def _tell(self, uuid, transition):
        state = next((state for state, known in _MISSED.items() if known == transition), None)
        if transition == event.EVENT_LIFECYCLE_RESUMED:
            state = power_state.RUNNING
        if state is not None:
            self._states[uuid] = state
        if self._on_lifecycle is not None:
            self._on_lifecycle(uuid, transition)

    def _closed(self, connection, reason):
        if self._stopped:
            return
        LOG.warning('The connection to libvirt at %s is lost (reason %s)', self.uri, reason)
        self._forget(connection)
        events.in_background(self._reconnect)

    def _reconnect(self):
        while not self._stopped:
            try:
                self.connection()
            except exception.HypervisorUnavailable:
                concurrency.sleep(CONF.libvirt.reconnect_interval)
            else:
                return

    def _catch_up(self, states):
        """After a gap in the events: tell what happened in it."""
        before, self._states = self._states, dict(states)
        for uuid, state in before.items():
            now = states.get(uuid)
            if now is None or now == state or now not in _MISSED:
                continue
            if (state, now) == (power_state.PAUSED, power_state.RUNNING):
                self._tell(uuid, event.EVENT_LIFECYCLE_RESUMED)
            else:
                self._tell(uuid, _MISSED[now])

    # What it is ------------------------------------------------------------------------------------------------------

    def _require_versions(self):
        if self.hypervisor_type() != 'QEMU':
            return
        for what, found, least in (('libvirt', self.libvirt_version(), MIN_LIBVIRT),
                                   ('QEMU', self.hypervisor_version(), MIN_QEMU)):
            if found < _number(least):
                raise exception.Invalid(f'{what} of this host is {found}; it must be {".".join(map(str, least))} or '
                                        f'later.')

    def libvirt_version(self):
        """As a number: major * 1000000 + minor * 1000 + release."""
        return self.call(lambda connection: connection.getLibVersion())

    def hypervisor_version(self):
        """Of QEMU, as a number like `libvirt_version`."""
        return self.call(lambda connection: connection.getVersion())

    def hypervisor_type(self):
        """'QEMU' for QEMU and KVM alike."""
        return self.call(lambda connection: connection.getType())

    @functools.cached_property
    def hostname(self):
        """The name of the host as libvirt knows it.  It names the node, and so stays the same while this process
        lives.
        """
        return self.call(lambda connection: connection.getHostname())

    @functools.cached_property
    def capabilities(self):
        """libvirt's description of the host, as an element."""
        return config.parse(self.call(lambda connection: connection.getCapabilities()))

    @property
    def arch(self):
        return self.capabilities.findtext('host/cpu/arch')

    @functools.lru_cache(maxsize=32)  # noqa: B019  (one host a process)
    def domain_capabilities(self, arch, machine_type, virt_type):
        """What guests of this kind can have, as an element."""
        return config.parse(self.call(
            lambda connection: connection.getDomainCapabilities(None, arch, machine_type, virt_type, 0)))

    @functools.lru_cache(maxsize=32)  # noqa: B019  (one host a process)
    def guest_cpu_features(self, arch, machine_type, virt_type):
        """Names of the CPU features that guests of this kind can have, a set; empty where libvirt cannot say."""
        model = self.domain_capabilities(arch, machine_type, virt_type).find(
            "cpu/mode[@name='host-model'][@supported='yes']")
        if model is None:
            return frozenset()
        return self._features_of(config.element('cpu', *copy.deepcopy(model), mode='custom', match='exact'),
                                 arch, machine_type, virt_type)

    @functools.lru_cache(maxsize=32)  # noqa: B019  (one host a process)
    def cpu_model_features(self, model, arch, machine_type, virt_type):
        """Names of the features of a CPU model, a set; empty where libvirt cannot say."""
        cpu = config.element('cpu', config.element('model', text=model), mode='custom', match='exact')
        return self._features_of(cpu, arch, machine_type, virt_type)

    def _features_of(self, cpu, arch, machine_type, virt_type):
        xml, flags = config.text_of(cpu), libvirt.VIR_CONNECT_BASELINE_CPU_EXPAND_FEATURES
        try:
            full = config.parse(self.call(lambda connection: connection.baselineHypervisorCPU(
                None, arch, machine_type, virt_type, [xml], flags)))
        except errors.UnsupportedByHypervisor as exc:
            LOG.info('libvirt does not say which features CPUs of guests can have: %s', exc)
            return frozenset()
        return frozenset(feature.get('name') for feature in full.iterfind('feature')
                         if feature.get('policy') != 'disable')

    def cpu_count(self):
        """CPUs of this host that are online."""
        return self.call(lambda connection: connection.getInfo())[2]

    @staticmethod
    def memory_mb():
        """(total, in use without caches) memory of this host (MiB).

        Asked of the kernel: what libvirt adds up by NUMA node lags behind where memory comes and goes.
        """
        with open('/proc/meminfo') as source:
            kib = dict(line.split(':', 1) for line in source)
        total, free = (int(kib[name].split()[0]) for name in ('MemTotal', 'MemAvailable'))
        return total // units.Ki, (total - free) // units.Ki

    def cpu_stats(self):
        """{'kernel', 'idle', 'user', 'iowait': ns since the host started, 'frequency': MHz}."""
        def ask(connection):
            return connection.getCPUStats(libvirt.VIR_NODE_CPU_STATS_ALL_CPUS, 0), connection.getInfo()[3]
        stats, frequency = self.call(ask)
        return {**{name: int(stats.get(name, 0)) for name in ('kernel', 'idle', 'user', 'iowait')},
                'frequency': int(frequency)}

    # Its guests ------------------------------------------------------------------------------------------------------

    def list_names(self):
        return self.call(lambda connection: [domain.name() for domain in connection.listAllDomains()])

    def list_uuids(self):
        return self.call(lambda connection: [domain.UUIDString() for domain in connection.listAllDomains()])

    def count(self):
        return self.call(lambda connection: connection.numOfDomains() + connection.numOfDefinedDomains())

    def list_stats(self):
        """{uuid: (power state, memory allowed (KiB), memory used (KiB), CPUs, CPU time (ns), libvirt's id)}, of all
        guests.
        """
        return self.call(_all_stats)

    def list_documents(self):
        """[XML of each domain, as it runs], as elements."""
        return [config.parse(xml) for xml in self.call(_all_documents)]


def _number(version):
    major, minor, release = version
    return major * 1000000 + minor * 1000 + release


# In native threads ---------------------------------------------------------------------------------------------------

def _close(connection):
    try:
        connection.close()
    except libvirt.libvirtError:
        # Broken already: there is nothing to close.
        return


def _states(connection):
    return {uuid: stats[0] for uuid, stats in _all_stats(connection).items()}


def _all_documents(connection):
    documents = []
    for domain in connection.listAllDomains():
        try:
            documents.append(domain.XMLDesc(0))
        except libvirt.libvirtError as exc:
            if exc.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
                raise
    return documents


def _all_stats(connection):
    saved = {domain.UUIDString() for domain in connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE)}
    found = {}
    for domain in connection.listAllDomains():
        try:
            state, max_memory_kb, memory_kb, cpus, cpu_time_ns = domain.info()
        except libvirt.libvirtError as exc:
            if exc.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
                raise
            continue
        uuid = domain.UUIDString()
        found[uuid] = (power_state_of(state, uuid in saved), max_memory_kb, memory_kb, cpus, cpu_time_ns, domain.ID())
    return found


def power_state_of(state, is_saved):
    """Ours, from libvirt's state of a domain and whether its memory is on the disk."""
    if is_saved and state == libvirt.VIR_DOMAIN_SHUTOFF:
        return power_state.SUSPENDED
    return POWER_STATES.get(state, power_state.NOSTATE)
