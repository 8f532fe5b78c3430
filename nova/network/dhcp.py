# SPDX-License-Identifier: Apache-2.0
"""The DHCP server of one network on this host: a dnsmasq that outlives nova-network and is found again by its pid file.

A host that may have an address is a file in a directory that dnsmasq watches, so that a new one is known at once.
What dnsmasq has read it forgets only at SIGHUP; that makes it report every lease again, so it is sent seldom: when an
address gets another owner, once for all that went since, at the next look, and at the first look of a new process.
"""

import contextlib
import os
import pwd
import shutil
import signal
import time

from oslo_concurrency import processutils
from oslo_log import log

from nova import concurrency, exception
from nova.conf import CONF
from nova.privsep import linux_net as root

LOG = log.getLogger(__name__)

#: Seconds until dnsmasq must have done what it was told.
_PATIENCE_S = 3
#: Exit status of dnsmasq when it cannot listen, as where somebody else does.
_NETWORK_TROUBLE = 2


class DhcpServerFailed(exception.NovaException):
    msg_fmt = 'The DHCP server of network %(label)s did not start: %(reason)s'


class Server:
    """dnsmasq for one network.

    :param network: what `NetworkList.of_host` says of it.
    :param directory: where its files are.
    :param socket_path: where nova-dhcpbridge reports to.
    """

    def __init__(self, network, directory, socket_path):
        self.network = network
        self._socket_path = socket_path
        base = os.path.join(directory, f'nova-{network["bridge"]}-{network["id"]}')
        self._hosts_dir, self._options_file, self._names_file = base + '.hosts', base + '.opts', base + '.names'
        self.leases_file, self.pid_file = base + '.leases', base + '.pid'
        self._command_file = base + '.command'
        self._command = None
        # Addresses of hosts that dnsmasq may still know and should not.
        self._stale = set()
        # What one that an earlier process started may still know, that process alone knew.
        self._inherited = True

    # What should be there ---------------------------------------------------------------------------------------------

    def _options(self):
        network = self.network
        options = [
            '--strict-order', '--bind-interfaces', '--except-interface=lo', '--no-ping', '--dhcp-authoritative',
            '--conf-file=' + CONF.dnsmasq_config_file, f'--interface={network["bridge"]}',
            f'--pid-file={self.pid_file}', f'--dhcp-leasefile={self.leases_file}',
            f'--dhcp-hostsdir={self._hosts_dir}', f'--dhcp-optsfile={self._options_file}',
            f'--listen-address={network["server"]}', f'--user={_user()}',
            f'--dhcp-range=set:nova,{network["dhcp_start"]},static,{network["netmask"]},{CONF.dhcp_lease_time}s',
            f'--dhcp-lease-max={2 ** (32 - _prefix(network["netmask"]))}', '--no-hosts',
            f'--addn-hosts={self._names_file}']
        if CONF.dhcp_domain:
            options.append(f'--domain={CONF.dhcp_domain}')
        if network['cidr_v6']:
            first, prefix = network['cidr_v6'].split('/')
            options += ['--enable-ra', f'--dhcp-range=set:nova6,{first},ra-only,{prefix}']
        if CONF.dns_server:
            options += ['--no-resolv', *(f'--server={server}' for server in CONF.dns_server)]
        script = shutil.which(CONF.dhcpbridge)
        if script:
            options += [f'--dhcp-script={script}', f'--dhcp-scriptuser={_user()}']
        else:
            LOG.warning('dhcpbridge: there is no command %s; leases are not recorded', CONF.dhcpbridge)
        return options

    def _option_lines(self):
        network = self.network
        router = network['server'] if network['multi_host'] else network['gateway']
        lines = ['tag:elsewhere,option:router']
        if router:
            lines.append(f'tag:!elsewhere,option:router,{router}')
        dns = [network[name] for name in ('dns1', 'dns2') if network[name] and ':' not in network[name]]
        if dns:
            lines.append(f'option:dns-server,{",".join(dns)}')
        if network['mtu']:
            lines.append(f'option:mtu,{network["mtu"]}')
        return lines

    @staticmethod
    def _host_line(given):
        """A host: its MAC, whether it has its route to everywhere by another interface, its address and name."""
        parts = [given['mac'], None if given['default_route'] else 'set:elsewhere', given['address'],
                 given['hostname']]
        return ','.join(part for part in parts if part) + '\n'

    # Doing it ---------------------------------------------------------------------------------------------------------

    def sync(self, given):
        """Make the server run, for these hosts and no others.  Raises DhcpServerFailed."""
        _make_dir(self._hosts_dir)
        changed = write_file(self._options_file, ''.join(line + '\n' for line in self._option_lines()))
        changed |= write_file(self._names_file, ''.join(
            f'{address} {name}\n' for address, name in self.network['names']))
        wanted = {_file_of(each): self._host_line(each) for each in given}
        gone = set(os.listdir(self._hosts_dir)) - set(wanted)
        for name in gone:
            _unlink(os.path.join(self._hosts_dir, name))
        for name, line in wanted.items():
            # A line that changed under the same name would be read as one more.
            changed |= write_file(os.path.join(self._hosts_dir, name), line, new_is_change=False)
        if self._start_unless_running():
            return
        self._release_strangers({each['address']: each['mac'] for each in given})
        if changed or gone or self._stale or self._inherited:
            self._reload()

    def add(self, given):
        """Let one more server have its address.  Raises DhcpServerFailed when the server does not run and cannot."""
        self._start_unless_running()
        if given['address'] in self._stale:
            self._drop_files_of(given['address'], but=_file_of(given))
            write_file(os.path.join(self._hosts_dir, _file_of(given)), self._host_line(given))
            self._reload()
        elif write_file(os.path.join(self._hosts_dir, _file_of(given)), self._host_line(given), new_is_change=False):
            self._reload()

    def remove(self, given):
        """A server gave its address back: no host, and no lease."""
        _unlink(os.path.join(self._hosts_dir, _file_of(given)))
        self._stale.add(given['address'])
        self._release(given['address'], given['mac'])

    def stop(self):
        """End the server and remove all files of it."""
        if root.signal_dnsmasq(self.pid_file, signal.SIGTERM) and not _wait(lambda: not self.runs()):
            root.signal_dnsmasq(self.pid_file, signal.SIGKILL)
        shutil.rmtree(self._hosts_dir, ignore_errors=True)
        for path in (self._options_file, self._names_file, self.leases_file, self.pid_file, self._command_file):
            _unlink(path)

    def runs(self):
        return root.dnsmasq_pid(self.pid_file) is not None

    def leases(self):
        """{address: MAC} of the IPv4 leases there are."""
        found = {}
        with contextlib.suppress(FileNotFoundError), open(self.leases_file) as file:
            for line in file:
                parts = line.split()
                if len(parts) >= 4 and ':' in parts[1] and '.' in parts[2]:
                    found[parts[2]] = parts[1].lower()
        return found

    # ------------------------------------------------------------------------------------------------------------------

    def _start_unless_running(self):
        """Whether it had to be started, with today's options."""
        options = self._options()
        text = '\n'.join(options)
        if self.runs():
            if self._command == text or read_file(self._command_file) == text:
                self._command = text
                return False
            LOG.info('The DHCP server of network %s runs with other options; starting it again', self.network['label'])
            root.signal_dnsmasq(self.pid_file, signal.SIGTERM)
            _wait(lambda: not self.runs())
        LOG.info('Starting the DHCP server of network %s on %s', self.network['label'], self.network['bridge'])
        self._start(options)
        write_file(self._command_file, text)
        self._command = text
        self._stale.clear()
        self._inherited = False
        return True

    def _start(self, options):
        until = time.monotonic() + _PATIENCE_S
        while True:
            try:
                root.start_dnsmasq(options, self._socket_path)
                return
            except processutils.ProcessExecutionError as exc:
                # A process that ends has its sockets a little longer than its command line, by which we know it.
                if exc.exit_code != _NETWORK_TROUBLE or time.monotonic() > until:
                    raise DhcpServerFailed(label=self.network['label'], reason=exc.stderr or exc.stdout or exc) from exc
            concurrency.sleep(0.1)

    def _reload(self):
        LOG.debug('The DHCP server of network %s reads its hosts again', self.network['label'])
        self._stale.clear()
        self._inherited = False
        root.signal_dnsmasq(self.pid_file, signal.SIGHUP)

    def _release_strangers(self, owners):
        for address, mac in self.leases().items():
            if owners.get(address) != mac:
                LOG.info('Network %s: ending the lease of %s, which no server with MAC %s has any more',
                         self.network['label'], address, mac)
                self._stale.add(address)
                self._release(address, mac)

    def _release(self, address, mac):
        if not CONF.force_dhcp_release or self.leases().get(address) != mac:
            return
        if self.runs():
            root.release_lease(self.network['bridge'], self.network['server'], address, mac)
            if not _wait(lambda: self.leases().get(address) != mac):
                LOG.warning('The DHCP server of network %s keeps the lease of %s', self.network['label'], address)

    def _drop_files_of(self, address, but):
        for name in os.listdir(self._hosts_dir):
            if name.endswith(f'_{address}') and name != but:
                _unlink(os.path.join(self._hosts_dir, name))


def _file_of(given):
    return f'{given["mac"].replace(":", "-")}_{given["address"]}'


def _prefix(netmask):
    return sum(int(octet).bit_count() for octet in netmask.split('.'))


def _user():
    """Our own user: the server reads and writes below our state directory, which others may not be able to reach."""
    return pwd.getpwuid(os.geteuid()).pw_name


def _make_dir(path):
    os.makedirs(path, exist_ok=True)


def read_file(path):
    with contextlib.suppress(FileNotFoundError), open(path) as file:
        return file.read()
    return None


def write_file(path, text, new_is_change=True):
    """Have a file with this content, appearing all at once; whether that changed something."""
    before = read_file(path)
    if before == text:
        return False
    # dnsmasq does not look at files whose names begin with a dot.
    part = os.path.join(os.path.dirname(path), f'.{os.path.basename(path)}')
    with open(part, 'w') as file:
        file.write(text)
    os.replace(part, path)
    return new_is_change or before is not None


def _unlink(path):
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def _wait(condition):
    """Whether it became true in time."""
    until = time.monotonic() + _PATIENCE_S
    while not condition():
        if time.monotonic() > until:
            return False
        concurrency.sleep(0.01)
    return True
