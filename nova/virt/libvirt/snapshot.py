# SPDX-License-Identifier: Apache-2.0
"""Images of guests' root disks.

A guest that is off has its disk converted.  Of one that runs the hypervisor copies the disk as it was at one moment,
while the guest goes on writing; its agent, where there is one, makes the file systems whole for that moment.
"""

import contextlib
import os

from oslo_log import log as logging
from oslo_utils import strutils

from nova import concurrency, conf, exception, progress
from nova.image import transfer
from nova.virt import driver, images
from nova.virt.libvirt import config, diskinfo, errors, imagebackend, paths
from nova.virt.libvirt import guest as libvirt_guest

CONF = conf.CONF
LOG = logging.getLogger(__name__)

_LOOK_S = 0.5


def take(host, image_api, context, instance, image_id, update_task_state):
    """Give the image `image_id` the content of the root disk.  Nothing stays on this host, whatever happens.

    Raises InstanceNotFound, `images.DiskToolFailed`, `errors.LibvirtError`, and what the image service raises.
    """
    guest = libvirt_guest.Guest(host, instance.uuid)
    disk = diskinfo.of(instance).get(paths.ROOT)
    if disk is None:
        raise exception.Invalid(f'Server {instance.uuid} has no root disk on this host.')
    image_format = CONF.libvirt.snapshot_image_format or disk.format
    os.makedirs(CONF.libvirt.snapshots_directory, exist_ok=True)
    path = _path(instance, image_format)
    try:
        update_task_state(task_state=driver.IMAGE_PENDING_UPLOAD)
        _capture(guest, instance, disk, path, image_format)
        update_task_state(task_state=driver.IMAGE_UPLOADING, expected_state=driver.IMAGE_PENDING_UPLOAD)
        with open(path, 'rb') as content:
            image_api.update(context, image_id, {'disk_format': image_format, 'container_format': 'bare'},
                             data=content)
    finally:
        clear(instance)
    LOG.info('The disk is image %s now (%s)', image_id, image_format, instance_uuid=instance.uuid)


def clear(instance):
    """Remove what an image was put together in.  Nothing happens when there is nothing."""
    for image_format in images.FORMATS:
        transfer.remove(_path(instance, image_format))
        transfer.remove(_live_path(instance, image_format))


def clear_interrupted(host, instance):
    """The same after this process was cut off in the middle: the hypervisor may still be copying."""
    with contextlib.suppress(exception.InstanceNotFound):
        guest = libvirt_guest.Guest(host, instance.uuid)
        guest.stop_copy()
        if guest.is_active() and guest.has_agent():
            with contextlib.suppress(errors.LibvirtError):
                guest.thaw()
    clear(instance)


def _path(instance, image_format):
    return os.path.join(CONF.libvirt.snapshots_directory, f'{instance.uuid}.{image_format}')


def _live_path(instance, image_format):
    return os.path.join(CONF.libvirt.snapshots_directory, f'{instance.uuid}.live.{image_format}')


def _capture(guest, instance, disk, path, image_format):
    source = diskinfo.path(paths.of(instance), paths.ROOT, disk)
    target, others = _targets(guest, source)
    # What the guest cannot write (a CD) can be read beside it.
    if target is None or not guest.is_active():
        imagebackend.of(disk).open_up(source)
        images.convert(source, disk.format, path, image_format)
        return
    if image_format in images.LOCAL_FORMATS:
        _copy(guest, instance, config.DiskCopy(target, path, image_format, others), disk)
        return
    live = _live_path(instance, disk.format)
    _copy(guest, instance, config.DiskCopy(target, live, disk.format, others), disk)
    images.convert(live, disk.format, path, image_format)


def _targets(guest, source):
    """(name of the disk that is in this place, None if it is only read; names of the other disks)."""
    target, others = None, []
    for disk in guest.document().iterfind('devices/disk'):
        name = disk.find('target').get('dev')
        if config.source_of(disk) == source and disk.find('readonly') is None:
            target = name
        else:
            others.append(name)
    return target, tuple(others)


def _copy(guest, instance, document, disk):
    """Copy a disk of a running guest, as it is when the copy begins."""
    # Made by us, so that it is ours again when the hypervisor is done with it.
    images.create(document.file, document.driver_format, disk.size)
    with _held_still(guest, instance):
        guest.begin_copy(document)
    gauge = progress.Gauge()
    try:
        while (copied := guest.copied()) is not None:
            gauge.reads(copied)
            concurrency.sleep(_LOOK_S)
    except BaseException:
        guest.stop_copy()
        raise


@contextlib.contextmanager
def _held_still(guest, instance):
    """The guest writes nothing meanwhile, where its image says that there is an agent.

    Raises Unsupported, `errors.LibvirtError` for images that must not be made otherwise (os_require_quiesce).
    """
    must = strutils.bool_from_string(instance.image_meta.properties.get('os_require_quiesce', ''))
    frozen = False
    try:
        quiesce(guest)
        frozen = True
    except (exception.Unsupported, errors.LibvirtError) as exc:
        if must:
            raise
        LOG.debug('The guest goes on writing while its disk is copied: %s', exc, instance_uuid=instance.uuid)
    try:
        yield
    finally:
        if frozen:
            guest.thaw()


def quiesce(guest):
    """Raises Unsupported without an agent, `errors.LibvirtError` when it does not answer."""
    if not guest.has_agent():
        raise exception.Unsupported(reason='the image does not say hw_qemu_guest_agent=yes')
    guest.freeze()
