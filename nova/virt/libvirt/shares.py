# SPDX-License-Identifier: Apache-2.0
"""Shared file systems of the network: mounted on this host, and seen by guests through virtiofs.

An export is mounted once, for however many servers.  Which servers have it is written down, in one file for each of
them, so that a mount is found, or made again, when this process or the whole host was started again, and goes with the
last of them.
"""

import contextlib
import glob
import json
import os

from oslo_concurrency import processutils
from oslo_log import log as logging

from nova import concurrency, conf, exception
from nova.image import transfer
from nova.privsep import shares as privsep_shares
from nova.virt.libvirt import config, diskinfo
from nova.virt.libvirt import guest as libvirt_guest

CONF = conf.CONF
LOG = logging.getLogger(__name__)

# Where QEMU's programs that serve devices are described; libvirt looks there when it starts a guest.
_HELPERS = ('/etc/qemu/vhost-user', '/usr/share/qemu/vhost-user', '/usr/local/share/qemu/vhost-user')
_SOURCES = "memoryBacking/enum[@name='sourceType']/value"
_DRIVERS = "devices/filesystem/enum[@name='driverType']/value"


class MountFailed(exception.NovaException):
    msg_fmt = 'Export %(export)s cannot be mounted on this host: %(reason)s'


class ShareInUse(exception.Conflict):
    msg_fmt = 'The guest of server %(instance_uuid)s runs and has the share %(tag)s.'


# What this host can ---------------------------------------------------------------------------------------------------

def can_open_memory(capabilities):
    """Whether memory of guests can be shared with the programs that serve their devices."""
    return any(value.text == 'memfd' for value in capabilities.iterfind(_SOURCES))


def are_possible(capabilities):
    """Whether guests can have shares, as domain capabilities and the programs of this host say."""
    return can_open_memory(capabilities) and _has_server() and any(
        value.text == 'virtiofs' for value in capabilities.iterfind(_DRIVERS))


def _has_server():
    """Whether there is a virtiofsd."""
    for path in (path for directory in _HELPERS for path in glob.glob(f'{directory}/*.json')):
        with contextlib.suppress(OSError, ValueError), open(path) as source:
            described = json.load(source)
            if described.get('type') == 'fs' and os.access(described.get('binary', ''), os.X_OK):
                return True
    return False


# Shares of a server ---------------------------------------------------------------------------------------------------

def attach(host, instance, mapping):
    """Mount a share, and have the guest find it when it starts.  On error it has it no more.

    Raises MountFailed, ShareInUse, `errors.LibvirtError`.
    """
    guest = libvirt_guest.Guest(host, instance.uuid)
    known = _read(instance.uuid)
    entry = {'protocol': mapping.share_proto, 'export': mapping.export_location}
    _place(entry)
    if known.get(mapping.tag) != entry:
        _require_unused(guest, mapping.tag)
    try:
        with _held(entry):
            _write(instance.uuid, {**known, mapping.tag: entry})
            _mount(entry)
        align(guest)
    except Exception:
        _take_back(guest, mapping.tag)
        raise
    LOG.info('Share %s is mounted (tag %s)', mapping.share_id, mapping.tag, instance_uuid=instance.uuid)


def _take_back(guest, tag):
    """The undo of `attach`: goes as far as it can, and never hides the first error."""
    try:
        _forget(guest, tag)
    except Exception:  # an undo step: said in the log, and the first error goes on
        LOG.exception('The share %s could not be taken back', tag, instance_uuid=guest.uuid)


def detach(host, instance, mapping):
    """Take a share from a guest, which may be gone, and from the host after its last guest.  Again changes nothing.

    Raises ShareInUse, `errors.LibvirtError`, ProcessExecutionError.
    """
    guest = libvirt_guest.Guest(host, instance.uuid)
    _require_unused(guest, mapping.tag)
    _forget(guest, mapping.tag)


def mounted(instance):
    """The shares of a server as `config.Share`s, mounted; those that are not mounted any more are mounted again.

    Raises MountFailed.
    """
    found = []
    for tag, entry in _read(instance.uuid).items():
        with _held(entry):
            _mount(entry)
        found.append(_share(tag, entry))
    return found


def owners():
    """Uuids of the servers that have shares here."""
    return [os.path.basename(path).removesuffix('.json') for path in glob.glob(_path('*'))]


def _forget(guest, tag):
    known = _read(guest.uuid)
    entry = known.pop(tag, None)
    if entry is None:
        return
    with _held(entry):
        _write(guest.uuid, known)
        align(guest)
        if not _is_used(entry):
            _umount(entry)
            LOG.info('%s is not mounted any more', entry['export'], instance_uuid=guest.uuid)


# The guest ------------------------------------------------------------------------------------------------------------

def _share(tag, entry):
    return config.Share(_place(entry), tag)


def _tags(document):
    return {target.get('dir') for target in document.iterfind('devices/filesystem/target')}


def _require_unused(guest, tag):
    with contextlib.suppress(exception.InstanceNotFound):
        if guest.is_active() and tag in _tags(guest.document()):
            raise ShareInUse(instance_uuid=guest.uuid, tag=tag)


def align(guest):
    """Have the definition of the guest say the shares that it has; one that is not defined is made with them."""
    try:
        document = guest.document(inactive=True)
    except exception.InstanceNotFound:
        return
    wanted = {tag: _share(tag, entry) for tag, entry in _read(guest.uuid).items()}
    if _tags(document) == set(wanted):
        return
    devices = document.find('devices')
    for old in devices.findall('filesystem'):
        devices.remove(old)
    devices.extend(share.to_element() for share in wanted.values())
    if wanted:
        _open_memory(document)
    libvirt_guest.define_again(guest.host, config.text_of(document), document.findtext('name'), guest.uuid)


def _open_memory(document):
    backing = document.find('memoryBacking')
    if backing is None:
        backing = config.element('memoryBacking')
        document.insert(0, backing)
    for wanted in config.MemoryBacking(open=True).to_element():
        for old in backing.findall(wanted.tag):
            backing.remove(old)
        backing.append(wanted)


# The mounts -----------------------------------------------------------------------------------------------------------

def _place(entry):
    try:
        return privsep_shares.place(entry['protocol'], entry['export'])
    except ValueError as exc:
        raise MountFailed(export=entry['export'], reason=str(exc)) from exc


def _held(entry):
    """Nobody else mounts it, takes it away or counts who has it meanwhile."""
    return concurrency.lock(f'share {entry["protocol"]} {entry["export"]}')


def _mount(entry):
    place = _place(entry)
    if privsep_shares.is_mounted(place):
        return
    try:
        os.makedirs(place, exist_ok=True)
        privsep_shares.mount(entry['protocol'], entry['export'])
    except processutils.ProcessExecutionError as exc:
        _remove_place(place)
        raise MountFailed(export=entry['export'], reason=(exc.stderr or '').strip() or str(exc)) from exc
    except (OSError, ValueError) as exc:
        raise MountFailed(export=entry['export'], reason=str(exc)) from exc


def _umount(entry):
    place = _place(entry)
    privsep_shares.umount(entry['protocol'], entry['export'])
    _remove_place(place)


def _remove_place(place):
    """Only when nothing is in it: what is mounted stays untouched."""
    with contextlib.suppress(OSError):
        os.rmdir(place)


def _is_used(entry):
    return any(entry in _read(uuid).values() for uuid in owners())


# What is written down -------------------------------------------------------------------------------------------------

def _path(uuid):
    return os.path.join(CONF.state_path, 'shares', f'{uuid}.json')


def _read(uuid):
    """{tag: {'protocol', 'export'}} of a server."""
    try:
        with open(_path(uuid)) as source:
            return json.load(source)
    except FileNotFoundError:
        return {}


def _write(uuid, shares):
    if not shares:
        transfer.remove(_path(uuid))
        return
    os.makedirs(os.path.dirname(_path(uuid)), exist_ok=True)
    diskinfo.write_file(_path(uuid), json.dumps(shares))
