# SPDX-License-Identifier: Apache-2.0
"""A guest comes, is made again, and goes."""

import contextlib
import dataclasses
import os

from oslo_log import log as logging

from nova import conf, exception
from nova.virt import driver
from nova.virt.libvirt import blockinfo, console, diskinfo, disks, domain, paths, shares, tpm, vif, volume
from nova.virt.libvirt import guest as libvirt_guest

CONF = conf.CONF
LOG = logging.getLogger(__name__)

#: Errors that another host would run into as well.
_HOPELESS = (exception.ImageNotFound, exception.ImageNotAuthorized, exception.ImageNotActive, exception.Invalid)


@dataclasses.dataclass
class Request:
    """A guest to be made.

    config_drive: 'iso9660' or 'vfat' where the server is to have one, else None; write_config_drive: f(path).
    """

    context: object
    instance: object
    image_meta: object
    network_info: object = None
    block_device_info: object = None
    config_drive: str | None = None
    write_config_drive: object = None


def spawn(host, image_api, request):
    """Make the guest and start it.  Raises InstanceExists, BuildAbortException, and what else goes wrong; then nothing
    of it is left here."""
    instance = request.instance
    _require_new(host, instance)
    with _own_files(host, request):
        try:
            _make_and_start(host, image_api, request)
        except exception.ConfigInvalid:
            # This host's fault, not that of what was asked for.
            raise
        except _HOPELESS as exc:
            raise exception.BuildAbortException(instance_uuid=instance.uuid, reason=exc.format_message()) from exc
    LOG.info('The guest runs', instance_uuid=instance.uuid)


@contextlib.contextmanager
def _own_files(host, request):
    """The files of the server are this host's for the body, and afterwards; as before if the body fails.

    Those of a host that is dead, on storage that both see, are the server's disks: they stay.  So do they when an
    earlier try to start it of them here was cut off.
    """
    instance = request.instance
    before = disks.host_of(instance) if disks.are_elsewhere(instance) else disks.former_host_of(instance)
    if not before:
        # Of a build that died with its process: nobody ever saw this guest.
        disks.remove(instance)
    try:
        yield
    except BaseException:
        if before:
            disks.give_back(instance, before)
        _remove_quietly(host, instance, request.network_info)
        volume.disconnect_all(request.block_device_info)
        raise


def _require_new(host, instance):
    if instance.uuid in host.list_uuids() or instance.name in host.list_names():
        raise exception.InstanceExists(name=instance.name)


def _make_and_start(host, image_api, request, power_on=True):
    instance, image_meta = request.instance, request.image_meta
    machine_type = domain.machine_type(host, image_meta)
    config_drive = _config_drive_format(request)
    places = blockinfo.layout(instance, image_meta, request.block_device_info, machine_type, config_drive)
    made = disks.make(disks.Wanted(request.context, image_api, instance, places, request.write_config_drive,
                                   config_drive))
    vif.plug(request.network_info)
    volume.connect_all(request.block_device_info)
    ports = domain.serial_port_count(instance, image_meta, host.arch) if CONF.serial_console.enabled else 0
    with console.ports(host, ports) as serial_ports:
        plan = domain.Plan(instance, image_meta, request.network_info, places, made, machine_type, serial_ports,
                           request.context, paths.KERNEL if instance.kernel_id else None,
                           paths.RAMDISK if instance.ramdisk_id else None,
                           driver.block_device_info_get_mapping(request.block_device_info),
                           shares.mounted(instance))
        guest = libvirt_guest.define(host, domain.guest(host, plan), instance.uuid)
        # From here on the state of its module goes when it goes.
        tpm.give_back(instance, domain.tpm_version(instance, image_meta))
        if power_on:
            _start(guest, instance)
    return guest


def _start(guest, instance):
    guest.start()
    tpm.forget(instance)


def _config_drive_format(request):
    """The format of the server's config drive; what it has it keeps."""
    there = diskinfo.of(request.instance).get(paths.CONFIG_DRIVE)
    if there and os.path.exists(paths.of(request.instance, paths.CONFIG_DRIVE)):
        return there.content
    return request.config_drive or (there and CONF.config_drive_format)


def make_again(host, image_api, request):
    """Pull the plug if need be, and start the guest as it is recorded now.

    Missing disks are made, missing interfaces plugged.  Of a move that failed halfway there may be disks and no guest:
    it is made of them.  Raises InstanceNotFound where there is neither.
    """
    guest = libvirt_guest.Guest(host, request.instance.uuid)
    try:
        guest.kill()
        guest.forget_saved()
    except exception.InstanceNotFound:
        if not disks.are_complete(request.instance):
            raise
        LOG.warning('There is no guest, but its disks are here: it is made of them',
                    instance_uuid=request.instance.uuid)
    _make_and_start(host, image_api, request)
    LOG.info('The guest runs again', instance_uuid=request.instance.uuid)


def make_here(host, image_api, request, power_on=True, before_start=None):
    """Make the guest out of disks that are here, and start it if `power_on`.  On error there is no guest.

    Missing disks are made, missing interfaces plugged.  One that is here already is made anew; what it keeps stays.
    :param before_start: f(), called when the disks are complete.
    """
    try:
        if libvirt_guest.Guest(host, request.instance.uuid).exists():
            destroy(host, request.instance, keep_state=True)
        guest = _make_and_start(host, image_api, request, power_on=False)
        if before_start is not None:
            before_start()
        if power_on:
            _start(guest, request.instance)
    except BaseException:
        quietly(request.instance, lambda: destroy(host, request.instance, keep_state=True),
                lambda: vif.unplug(request.network_info), lambda: volume.disconnect_all(request.block_device_info))
        raise


def destroy(host, instance, keep_state=False):
    """Stop the guest at once, and remove it from libvirt.  Nothing happens when there is none.

    :param keep_state: of its trusted platform module: it will be made again of what is in its directory.
    Raises InstancePowerOffFailure.
    """
    guest = libvirt_guest.Guest(host, instance.uuid)
    try:
        guest.kill()
    except exception.InstanceNotFound:
        LOG.warning('There is no guest to destroy', instance_uuid=instance.uuid)
        return
    if keep_state:
        tpm.keep(instance)
    guest.undefine()
    LOG.info('The guest is destroyed', instance_uuid=instance.uuid)


def cleanup(instance, network_info, destroy_disks=True, destroy_vifs=True):
    """Remove what stands around a guest that is gone."""
    if destroy_vifs:
        vif.unplug(network_info)
    if destroy_disks and not disks.remove(instance):
        # The caller asks again, through `delete_instance_files`.
        LOG.warning('Files of the server stay for now', instance_uuid=instance.uuid)


def _remove_quietly(host, instance, network_info):
    """The undo of a build: goes as far as it can, and never hides the first error."""
    def remove_guest():
        if libvirt_guest.Guest(host, instance.uuid).exists():
            destroy(host, instance)
    quietly(instance, remove_guest, lambda: cleanup(instance, network_info))


def quietly(instance, *steps):
    """Undo steps: each goes as far as it can, and none hides the first error."""
    for step in steps:
        try:
            step()
        except Exception:  # an undo step: said in the log, and the first error goes on
            LOG.exception('A step of taking back what failed did not succeed', instance_uuid=instance.uuid)


def files_exist(instance):
    return os.path.isdir(paths.of(instance))
