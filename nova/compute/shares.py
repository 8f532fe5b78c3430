# SPDX-License-Identifier: Apache-2.0
"""Shared file systems come to servers and leave them.  Every step may be repeated.

A share is let to the host when it is attached, which a stopped server allows only, and mounted while the server runs.
"""

from oslo_log import log

from nova import concurrency, exception, objects
from nova.compute import states, vm_states
from nova.compute.operations import carries_out
from nova.objects import share_mapping
from nova.objects.share_mapping import of_server

LOG = log.getLogger(__name__)


class ShareMountFailed(exception.NovaException):
    """Why is in its cause: users do not read there where the export is."""

    msg_fmt = ('Share %(share_id)s could not be mounted: instance %(instance_uuid)s does not run without it. Detach '
               'it, or reboot the instance (HARD) when the share is there again.')


def _mapping(op):
    found = next((each for each in of_server(op.context, op.instance) if each.share_id == op.args['share_id']), None)
    if found is None:
        raise share_mapping.ShareMappingNotFound(share_id=op.args['share_id'], instance_uuid=op.instance.uuid)
    return found


@carries_out('allow_share')
def attach(op):
    """Let this host mount a share; the guest has it from its next start on."""
    mapping = _mapping(op)
    op.undo(mapping.change, share_mapping.ERROR)
    op.host.share.allow(op.context, mapping.share_id, mapping.share_proto)
    mapping.change(share_mapping.INACTIVE)


@carries_out('deny_share')
def detach(op):
    """Take a share from the server, and from the host if no other server there has it."""
    mapping = _mapping(op)
    op.undo(mapping.change, share_mapping.ERROR)
    _give_back(op.host, op.context, op.instance, mapping)


def _give_back(host, context, instance, mapping):
    host.driver.umount_share(context, instance, mapping)
    if not objects.ShareMappingList.is_used_on(context, mapping.share_id, host.name, instance.uuid):
        host.share.deny(context, mapping.share_id, mapping.share_proto)
    mapping.destroy()


# While the server runs ------------------------------------------------------------------------------------------------

#: With these the guest starts, and not without.
_WANTED = (share_mapping.INACTIVE, share_mapping.ACTIVE, share_mapping.ERROR)


def mount_all(op, mend=False):
    """The guest is about to start.  What was mounted for it is taken away again if the operation fails.

    :param mend: try those in error once more.
    Raises ShareInError, ShareMountFailed: the server is in error then, and so is the share.
    """
    for mapping in of_server(op.context, op.instance):
        if mapping.status not in _WANTED:
            continue
        before = mapping.status
        if before == share_mapping.ERROR and not mend:
            raise states.ShareInError(share_id=mapping.share_id, instance_uuid=op.instance.uuid, method='start')
        try:
            _mount(op.host, op.context, op.instance, mapping)
        except ShareMountFailed:
            op.failure_state = vm_states.ERROR
            raise
        if before != share_mapping.ACTIVE:
            op.undo(_umount, op.host, op.context, op.instance, mapping)


def mount_again(host, context, instance):
    """The host was down, and its mounts are gone.  Raises ShareMountFailed."""
    for mapping in of_server(context, instance):
        if mapping.status in _WANTED:
            _mount(host, context, instance, mapping)


def _mount(host, context, instance, mapping):
    try:
        if mapping.status == share_mapping.ERROR:
            host.share.allow(context, mapping.share_id, mapping.share_proto)
        host.driver.mount_share(context, instance, mapping)
    except Exception as exc:
        mapping.change(share_mapping.ERROR)
        raise ShareMountFailed(share_id=mapping.share_id, instance_uuid=instance.uuid) from exc
    mapping.change(share_mapping.ACTIVE)


def umount_all(host, context, instance):
    """The guest has stopped."""
    for mapping in of_server(context, instance):
        if mapping.status == share_mapping.ACTIVE:
            _umount(host, context, instance, mapping)


def _umount(host, context, instance, mapping):
    host.driver.umount_share(context, instance, mapping)
    mapping.change(share_mapping.INACTIVE)


def follow(host, context, instance):
    """A guest was found stopped that nobody had stop: it needs no mounts.  A failure of it is only logged."""
    if share_mapping.MARK not in (instance.system_metadata or {}):
        return
    with concurrency.lock(f'server {instance.uuid}'):
        instance.refresh()
        if instance.vm_state != vm_states.STOPPED or instance.task_state is not None:
            return
        try:
            umount_all(host, context, instance)
        except Exception:
            LOG.exception('Shares of server %s, which stopped by itself, stay mounted', instance.uuid)


# The server is gone ---------------------------------------------------------------------------------------------------

def give_back_all(host, context, instance, mappings=None):
    """The server is gone.  A share that does not let go is logged and does not keep the server."""
    for mapping in of_server(context, instance) if mappings is None else mappings:
        try:
            _give_back(host, context, instance, mapping)
        except Exception as exc:    # noqa: BLE001  (the server is gone, and must be able to go)
            LOG.warning('Share %s of server %s could not be given back: %s', mapping.share_id, instance.uuid, exc)
            mapping.destroy()


def leave_all(op):
    """The server is gone while its host is down: that gives them back when it comes up.  Without a host there is
    nothing to give back."""
    for mapping in of_server(op.context, op.instance):
        if op.instance.host:
            mapping.change(share_mapping.DETACHING)
        else:
            mapping.destroy()


def give_back_of_deleted(host, context):
    """Of servers that were deleted while this host was down."""
    left = {}
    for mapping in objects.ShareMappingList.get_by_deleted_on(context, host.name):
        left.setdefault(mapping.instance_uuid, []).append(mapping)
    for uuid, mappings in left.items():
        instance = objects.Instance.get_by_uuid(context.elevated(read_deleted='yes'), uuid)
        LOG.info('Giving back %d shares of server %s, which was deleted', len(mappings), uuid)
        give_back_all(host, context, instance, mappings)
