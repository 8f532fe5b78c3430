# SPDX-License-Identifier: Apache-2.0
"""A guest that runs from a rescue image, with its own root disk beside.

Its own domain, as libvirt wrote it, is kept in the server's directory meanwhile: while that file is there the server is
being rescued.  Hardware follows the rescue image, whose drivers it must suit.
"""

import contextlib
import copy
import dataclasses
import os

from lxml import etree
from oslo_log import log as logging

from nova import conf
from nova.image import transfer
from nova.virt.libvirt import blockinfo, config, console, diskinfo, disks, domain, paths, shares, vif
from nova.virt.libvirt import guest as libvirt_guest

CONF = conf.CONF
LOG = logging.getLogger(__name__)

_DISKS = (paths.RESCUE, paths.RESCUE_CONFIG_DRIVE)
_BESIDE = (paths.RESCUE_KERNEL, paths.RESCUE_RAMDISK, paths.RESCUE_VARIABLES)


def is_on(instance):
    """Whether the server is being rescued."""
    return os.path.exists(paths.of(instance, paths.RESCUED_DOMAIN))


def begin(host, image_api, request):
    """Start the guest from the image of the request.  On error it is as it was.

    Raises InstanceNotFound, and what fetching an image raises.
    """
    instance = request.instance
    guest = libvirt_guest.Guest(host, instance.uuid)
    own = _keep_domain(guest, instance)
    was_active = guest.is_active()
    with contextlib.ExitStack() as undo:
        undo.callback(_go_back, host, instance, was_active)
        guest.kill()
        guest.forget_saved()
        _remove_disks(instance)
        _make_and_start(host, image_api, request, own)
        undo.pop_all()
    LOG.info('The guest is being rescued', instance_uuid=instance.uuid)


def end(host, instance, network_info):
    """Start the guest from its own disk.  Raises InstanceNotFound."""
    guest = libvirt_guest.Guest(host, instance.uuid)
    if is_on(instance):
        guest.kill()
        guest.forget_saved()
        vif.plug(network_info)
        _define_own(host, instance)
        shares.align(guest)
    guest.start()
    forget(instance)
    LOG.info('The guest runs from its own disk', instance_uuid=instance.uuid)


def _keep_domain(guest, instance):
    """The guest's own domain as an element, also when a rescue was cut off in the middle."""
    path = paths.of(instance, paths.RESCUED_DOMAIN)
    if not os.path.exists(path):
        diskinfo.write_file(path, etree.tostring(guest.document(inactive=True), encoding='unicode'))
    return _own_domain(instance)


def _own_domain(instance):
    with open(paths.of(instance, paths.RESCUED_DOMAIN)) as source:
        return config.parse(source.read())


def _define_own(host, instance):
    own = _own_domain(instance)
    libvirt_guest.define_again(host, etree.tostring(own, encoding='unicode'), own.findtext('name'), instance.uuid)


def forget(instance):
    """The rescue is over: remove its disks, and last the file that says so.  Nothing happens when there was none."""
    _remove_disks(instance)
    transfer.remove(paths.of(instance, paths.RESCUED_DOMAIN))


def _remove_disks(instance):
    disks.remove_some(instance, *_DISKS)
    for name in _BESIDE:
        transfer.remove(paths.of(instance, name))


def _go_back(host, instance, was_active):
    """The undo of a rescue: goes as far as it can, and never hides the first error."""
    try:
        libvirt_guest.Guest(host, instance.uuid).kill()
        _define_own(host, instance)
        if was_active:
            libvirt_guest.Guest(host, instance.uuid).start()
        forget(instance)
    except Exception:  # an undo step: said in the log, and the first error goes on
        LOG.exception('The guest could not be put back as it was before its rescue', instance_uuid=instance.uuid)


def _make_and_start(host, image_api, request, own):
    instance, image_meta = request.instance, request.image_meta
    machine_type = domain.machine_type(host, image_meta)
    places, root = _layout(request, machine_type, own)
    images = {paths.RESCUE: image_meta.id}
    for name, key in ((paths.RESCUE_KERNEL, 'kernel_id'), (paths.RESCUE_RAMDISK, 'ramdisk_id')):
        if image_meta.properties.get(key):
            images[name] = image_meta.properties[key]
    made = disks.make(disks.Wanted(request.context, image_api, instance, places, request.write_config_drive,
                                   request.config_drive, images))
    vif.plug(request.network_info)
    # Those that its own domain has: they are free when that comes back.
    serial_ports = console.port_numbers(own)
    plan = domain.Plan(instance, image_meta, request.network_info, places, made, machine_type, serial_ports,
                       request.context, *(name if name in images else None
                                          for name in (paths.RESCUE_KERNEL, paths.RESCUE_RAMDISK)),
                       shares=shares.mounted(instance), variables=paths.RESCUE_VARIABLES)
    made = domain.guest(host, plan)
    if root is not None:
        made.devices.append(root)
    libvirt_guest.define(host, made, instance.uuid).start()


def _layout(request, machine_type, own):
    """(`blockinfo.Place`s of the rescue disk, the server's root disk, and a config drive of the rescue's own; `_Volume`
    where the root disk is one, else None).  The root disk is the second in either case.
    """
    image_meta = request.image_meta
    device = 'cdrom' if image_meta.disk_format == 'iso' else 'disk'
    asked, volume = [(paths.RESCUE, device)], None
    root = _root_of(own)
    if root is not None:
        asked.append((paths.ROOT, root.get('device')))
    if request.config_drive:
        asked.append((paths.RESCUE_CONFIG_DRIVE, 'cdrom' if request.config_drive == 'iso9660' else 'disk'))
    places = blockinfo.places_of(asked, image_meta, machine_type)
    if root is not None and config.source_of(root) != disks.path_of(request.instance, paths.ROOT):
        place = places.pop(1)
        volume = _Volume(root, place.target, place.bus)
    return places, volume


def _root_of(own):
    """The disk that a domain boots from; None where it boots from none."""
    return next((disk for disk in own.iterfind('devices/disk')
                 if disk.find('source') is not None and disk.find('boot') is not None), None)


@dataclasses.dataclass
class _Volume(config.Element):
    """A volume as the server's own domain has it, in another place."""

    disk: object
    target: str
    bus: str

    def to_element(self):
        made = copy.deepcopy(self.disk)
        for name in ('address', 'alias', 'boot', 'backingStore'):
            for found in made.findall(name):
                made.remove(found)
        made.find('target').set('dev', self.target)
        made.find('target').set('bus', self.bus)
        return made
