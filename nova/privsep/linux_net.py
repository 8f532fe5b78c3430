# SPDX-License-Identifier: Apache-2.0
"""The host's network: bridges, addresses, packet filter, DHCP servers.

Each function changes one thing, and finds it done when it is called again.
"""

import contextlib
import ipaddress
import os
import random
import re
import signal
import socket
import struct

from oslo_concurrency import processutils

from nova import privsep

_DEVICE = re.compile(r'[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}')
_MAC = re.compile(r'[0-9a-f]{2}(:[0-9a-f]{2}){5}')

#: One command a line, and only on tables of ours; no `include`, which would read files.
_NFT_LINE = re.compile(r'(add|delete|flush) (table|chain|rule|map|element) (bridge|inet) nova_[a-z]+( [^;{}]*'
                       r'(\{[^{}]*\}[^;{}]*)*)?')

SWITCHES = {
    'forward': '/proc/sys/net/ipv4/ip_forward',
    'forward_v6': '/proc/sys/net/ipv6/conf/all/forwarding',
    'bridges_pass_ip_filters': '/proc/sys/net/bridge/bridge-nf-call-iptables',
    'bridges_pass_ipv6_filters': '/proc/sys/net/bridge/bridge-nf-call-ip6tables',
}


def device_name(name):
    """`name`, if it can be that of a network device.  Raises ValueError."""
    if not isinstance(name, str) or not _DEVICE.fullmatch(name):
        raise ValueError(f'{name!r} is no name of a network device')
    return name


def _mac(address):
    if not _MAC.fullmatch(address):
        raise ValueError(f'{address!r} is no MAC address')
    return address


def _interface(address):
    return str(ipaddress.ip_interface(address))


def _ip(*args):
    return processutils.execute('ip', *args)[0]


# Bridges -------------------------------------------------------------------------------------------------------------

@privsep.sys_admin_pctxt.entrypoint
def add_bridge(name: str, mac: str, alias: str) -> None:
    """Make a bridge.  It forwards at once, and keeps its MAC whatever is put into it."""
    device_name(name)
    _ip('link', 'add', 'name', name, 'address', _mac(mac), 'type', 'bridge', 'forward_delay', '0', 'stp_state', '0')
    _ip('link', 'set', 'dev', name, 'alias', str(alias))


@privsep.sys_admin_pctxt.entrypoint
def delete_bridge(name: str) -> None:
    _ip('link', 'delete', 'dev', device_name(name), 'type', 'bridge')


@privsep.sys_admin_pctxt.entrypoint
def set_up(name: str, mtu: int | None = None) -> None:
    """Bring a device up.

    :param mtu: bytes; None: unchanged.
    """
    _ip('link', 'set', 'dev', device_name(name), *(['mtu', str(int(mtu))] if mtu else []), 'up')


@privsep.sys_admin_pctxt.entrypoint
def add_port(bridge: str, device: str) -> None:
    _ip('link', 'set', 'dev', device_name(device), 'master', device_name(bridge), 'up')


@privsep.sys_admin_pctxt.entrypoint
def add_address(device: str, address: str) -> None:
    """Give a device an address ('10.0.0.1/24'), in front of nothing: what it has stays."""
    _ip('address', 'replace', _interface(address), 'dev', device_name(device),
        *(['broadcast', '+'] if ':' not in address and not address.endswith('/32') else []),
        *(['nodad'] if ':' in address else []))


@privsep.sys_admin_pctxt.entrypoint
def delete_address(device: str, address: str) -> None:
    _ip('address', 'delete', _interface(address), 'dev', device_name(device))


@privsep.sys_admin_pctxt.entrypoint
def add_route(device: str, to: str, gateway: str) -> None:
    """A route by a gateway; `to` is a network or 'default'."""
    _ip('route', 'replace', to if to == 'default' else str(ipaddress.ip_network(to, strict=False)), 'via',
        str(ipaddress.ip_address(gateway)), 'dev', device_name(device), 'onlink')


@privsep.sys_admin_pctxt.entrypoint
def turn_on(switch: str) -> None:
    """Turn on one of SWITCHES.  Raises FileNotFoundError when the kernel does not have it."""
    with open(SWITCHES[switch], 'r+') as file:
        if file.read().strip() != '1':
            file.seek(0)
            file.write('1')


# Packet filter -------------------------------------------------------------------------------------------------------

@privsep.sys_admin_pctxt.entrypoint
def apply_nft(lines: list, check_only: bool = False) -> None:
    """Run commands of nft in one transaction: all of them or none.

    :param check_only: ask the kernel whether it would take them.
    Raises ValueError for a line that is about something else than our tables, ProcessExecutionError when refused.
    """
    for line in lines:
        if not _NFT_LINE.fullmatch(_without_statements(line)) or '\n' in line:
            raise ValueError(f'{line!r} is no command for a table of ours')
    processutils.execute('nft', *(['-c'] if check_only else []), '-f', '-',
                         process_input=('\n'.join(lines) + '\n').encode())


@privsep.sys_admin_pctxt.entrypoint
def list_tables() -> list:
    """Names of the tables of the packet filter."""
    return sorted({line.split()[-1] for line in processutils.execute('nft', 'list', 'tables')[0].splitlines()})


def _without_statements(line):
    """The line with the semicolons inside braces (of chains and maps) taken out."""
    return re.sub(r'\{[^{}]*\}', lambda found: found[0].replace(';', ''), line)


# DHCP servers --------------------------------------------------------------------------------------------------------

@privsep.sys_admin_pctxt.entrypoint
def start_dnsmasq(options: list, socket_path: str) -> None:
    """Start a DHCP server; returns when it serves.

    :param options: of dnsmasq, each '--name' or '--name=value'.
    :param socket_path: where nova-dhcpbridge reports to.
    Raises ProcessExecutionError with what dnsmasq says is wrong.
    """
    for option in options:
        if not re.fullmatch(r'--[a-z0-9-]+(=[^\n\0]*)?', option):
            raise ValueError(f'{option!r} is no option of dnsmasq')
    processutils.execute('dnsmasq', *options, env_variables={**os.environ, 'NOVA_DHCP_SOCKET': socket_path})


@privsep.sys_admin_pctxt.entrypoint
def signal_dnsmasq(pid_file: str, signal_number: int) -> bool:
    """Send SIGHUP or SIGTERM to the DHCP server that has this pid file; whether there is one."""
    if signal_number not in (signal.SIGHUP, signal.SIGTERM, signal.SIGKILL):
        raise ValueError(f'signal {signal_number} is none that dnsmasq is sent')
    pid = dnsmasq_pid(pid_file)
    if pid is None:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal_number)
        return True
    return False


def dnsmasq_pid(pid_file):
    """Process id of the DHCP server that has this pid file; None if it does not run.  Needs no root.

    Ids are used again: the process must have been told of that very file.
    """
    try:
        with open(pid_file) as file:
            pid = int(file.read().strip())
        with open(f'/proc/{pid}/cmdline', 'rb') as file:
            command = file.read().split(b'\0')
    except (OSError, ValueError):
        return None
    return pid if f'--pid-file={pid_file}'.encode() in command else None


@privsep.sys_admin_pctxt.entrypoint
def release_lease(device: str, server: str, address: str, mac: str) -> None:
    """Tell the DHCP server on a device that a guest does not need its address any more (DHCPRELEASE, RFC 2131 4.4.6).

    It does not answer.
    """
    hardware = bytes.fromhex(_mac(mac).replace(':', ''))
    server_bytes = ipaddress.IPv4Address(server).packed
    packet = struct.pack('!BBBBIHH4s4s4s4s16s192s', 1, 1, 6, 0, random.getrandbits(32), 0, 0,
                         ipaddress.IPv4Address(address).packed, b'', b'', b'', hardware, b'')
    packet += b'\x63\x82\x53\x63' + b'\x35\x01\x07' + b'\x36\x04' + server_bytes + b'\xff'
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device_name(device).encode() + b'\0')
        sender.sendto(packet.ljust(300, b'\0'), (str(ipaddress.IPv4Address(server)), 67))

