# SPDX-License-Identifier: Apache-2.0
"""What a guest says: the log of its serial port, its screen, its serial ports over TCP."""

import contextlib
import os
import socket

from oslo_log import log as logging

from nova import concurrency, conf, exception
from nova.conf import serial_console
from nova.console import type as console_type
from nova.privsep import path as privileged
from nova.virt.libvirt import errors, paths
from nova.virt.libvirt import guest as libvirt_guest

CONF = conf.CONF
LOG = logging.getLogger(__name__)

#: How much of the log is handed out (bytes).
MAX_LOG_BYTES = 100 * 1024
# A terminal that was silent so long (s) has said all: to who waits for it, and to who looks after many.
_PATIENCE_S, _GLANCE_S = 0.2, 0.05


class NoFreePort(exception.NovaException):
    msg_fmt = 'No port of [serial_console] port_range %(port_range)s is free on %(address)s.'


def read_log(instance):
    """The end of what the guest wrote to its first serial port, as bytes.  b'' before it wrote anything.

    virtlogd moves a log that has grown to console.log.0, and that one to console.log.1.
    """
    log, found = os.path.abspath(paths.of(instance, paths.CONSOLE_LOG)), b''
    for suffix in ('', *(f'.{number}' for number in range(paths.ROTATED_LOGS))):
        more = privileged.read_tail(log + suffix, MAX_LOG_BYTES - len(found))
        if suffix and not more:
            break
        found = more + found
        if len(found) >= MAX_LOG_BYTES:
            break
    return found


def record_terminal(guest, instance):
    """Add what a container said to its log: libvirt writes none for it, and its terminal holds only a few KiB.

    Nothing happens for guests of other kinds.
    """
    if CONF.libvirt.virt_type != 'lxc':
        return
    _record(guest, paths.of(instance), _PATIENCE_S)


def record_terminals(host):
    """The same of all guests of a host: a container whose terminal nobody reads stands still when that is full."""
    if CONF.libvirt.virt_type != 'lxc':
        return
    for uuid in host.list_uuids():
        _record(libvirt_guest.Guest(host, uuid), os.path.join(CONF.instances_path, uuid), _GLANCE_S)


def _record(guest, directory, silence_s):
    try:
        said = guest.read_terminal(silence_s)
    except (exception.InstanceNotFound, errors.LibvirtError) as exc:
        LOG.info('The console of a container cannot be read: %s', exc)
        return
    if said and os.path.isdir(directory):
        _append(os.path.join(directory, paths.CONSOLE_LOG), said)


def _append(path, said):
    """The log is kept as long as twice what is handed out."""
    with concurrency.lock(f'console-{path}'):
        try:
            with open(path, 'rb') as log:
                before = log.read()
        except FileNotFoundError:
            before = b''
        with open(f'{path}.new', 'wb') as log:
            log.write((before + said)[-2 * MAX_LOG_BYTES:])
        os.rename(f'{path}.new', path)


def vnc(guest):
    """`ConsoleVNC`.  Raises InstanceNotFound, ConsoleTypeUnavailable."""
    port = next((graphics.get('port') for graphics in guest.document().iterfind("devices/graphics[@type='vnc']")), None)
    if not CONF.vnc.enabled or port in (None, '-1'):
        raise exception.ConsoleTypeUnavailable(console_type='vnc')
    return console_type.ConsoleVNC(host=CONF.vnc.server_proxyclient_address, port=int(port))


def serial(guest):
    """`ConsoleSerial`.  Raises InstanceNotFound, ConsoleTypeUnavailable."""
    port = next(iter(_ports(guest.document())), None)
    if not CONF.serial_console.enabled or port is None:
        raise exception.ConsoleTypeUnavailable(console_type='serial')
    address, number = port
    return console_type.ConsoleSerial(host=address, port=number)


def port_numbers(document):
    """TCP ports of a domain's serial ports."""
    return [number for _address, number in _ports(document)]


def _ports(document):
    """(address, port) of each serial port over TCP."""
    for source in document.iterfind("devices/serial[@type='tcp']/source[@mode='bind']"):
        yield source.get('host'), int(source.get('service'))


@contextlib.contextmanager
def ports(host, count):
    """Yield `count` free TCP ports of this host.  They stay free for the body: it starts the guest that takes them.

    Raises NoFreePort.
    """
    if not count:
        yield []
        return
    address = CONF.serial_console.proxyclient_address
    with concurrency.lock('serial-ports'):
        # A guest that is off keeps its ports: it must find them free when it is started.
        taken = {number for document in host.list_documents() for _address, number in _ports(document)}
        found = []
        for number in serial_console.ports(CONF):
            if len(found) == count:
                break
            if number not in taken and _is_free(address, number):
                found.append(number)
        if len(found) < count:
            raise NoFreePort(port_range=CONF.serial_console.port_range, address=address)
        yield found


def _is_free(address, port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True
