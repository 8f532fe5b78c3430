# SPDX-License-Identifier: Apache-2.0
"""Servers that are kept as an image: shelved on their host, offloaded from it, and back.

From the moment that a server is recorded as shelved its image is all that may be left of it: whatever goes wrong
afterwards, the image stays.  A server that boots from a volume needs none.
"""

from oslo_log import log
from oslo_utils import timeutils

from nova import exception, image, objects
from nova.compute import (
    block_devices,
    consoles,
    power,
    power_state,
    snapshot,
    task_states,
    vm_states,
    volume_usage,
    volumes,
)
from nova.compute.operations import carries_out
from nova.conf import CONF

LOG = log.getLogger(__name__)
#: What a shelved server remembers, in its system metadata.
KEYS = ('shelved_at', 'shelved_image_id', 'shelved_host')
SHELVED = (vm_states.SHELVED, vm_states.SHELVED_OFFLOADED)
_TASKS = {task_states.IMAGE_PENDING_UPLOAD: task_states.SHELVING_IMAGE_PENDING_UPLOAD,
          task_states.IMAGE_UPLOADING: task_states.SHELVING_IMAGE_UPLOADING}


@carries_out('shelve_instance')
@consoles.closes
def shelve(op):
    """Stop the guest and copy its disk into an image; offload it if nothing is to be waited for."""
    image_id = op.args.get('image_id')
    tasks = (*snapshot.own_tasks(op), task_states.SHELVING_OFFLOADING)
    if op.instance.vm_state not in SHELVED:
        _put_away(op, image_id, tasks)
    if CONF.shelved_offload_time == 0 or not image_id:
        op.save(tasks, task_state=task_states.SHELVING_OFFLOADING)
        op.told.begins('shelve_offload')
        op.ends(**_offload(op))
    op.expects(*tasks)


def _put_away(op, image_id, tasks):
    instance = op.instance
    op.undo(_take_back, op, image_id)
    if instance.vm_state != vm_states.SUSPENDED:
        with volume_usage.ending(op, op.bdms):
            op.host.driver.power_off(instance, *power.patience(op))
    kept = {'shelved_at': timeutils.utcnow().isoformat(), 'shelved_host': op.host.name}
    if image_id:
        snapshot.fill(op, _TASKS)
        kept['shelved_image_id'] = image_id
    op.save(tasks, vm_state=vm_states.SHELVED, power_state=power_state.SHUTDOWN,
            system_metadata_changes=kept)
    op.forget_undo()
    # What a suspended guest had in its memory is not kept.
    op.host.driver.power_off(instance)


def _take_back(op, image_id):
    """Shelving failed: the server is as it was, unless the records have it as shelved: then it is."""
    instance = op.instance
    before = instance.vm_state
    instance.refresh()
    if instance.vm_state in SHELVED:
        return
    if image_id:
        snapshot.remove_image(op, image_id)
    if before in (vm_states.ACTIVE, vm_states.PAUSED):
        op.host.driver.power_on(op.context, instance, instance.get_network_info(),
                                block_devices.info_of(instance, op.bdms))
    if before == vm_states.PAUSED:
        op.host.driver.pause(instance)


@carries_out('shelve_offload_instance')
@consoles.closes
def offload(op):
    """Free what the server holds on this host; its addresses and volumes stay its own."""
    op.ends(**_offload(op))
    op.expects(*snapshot.own_tasks(op))


def _offload(op):
    instance = op.instance
    with volume_usage.ending(op, op.bdms):
        op.host.driver.destroy(op.context, instance, instance.get_network_info(),
                               block_devices.info_of(instance, op.bdms))
    op.tidy(volumes.leave_all, op)
    op.tidy(op.host.firewall.remove, instance)
    objects.Claim.release(op.context, instance.uuid, '')
    return {'vm_state': vm_states.SHELVED_OFFLOADED, 'power_state': power_state.SHUTDOWN, 'host': None, 'node': None,
            'compute_id': None, 'placement': None}


@carries_out('unshelve_instance')
def unshelve(op):
    """Start the guest: from the disk that is here, or from the image that it was kept as."""
    instance = op.instance
    image_id = (instance.system_metadata or {}).get('shelved_image_id')
    if instance.vm_state == vm_states.SHELVED:
        op.host.firewall.apply(instance, instance.get_network_info())
        op.host.driver.power_on(op.context, instance, instance.get_network_info(),
                                block_devices.info_of(instance, op.bdms))
    else:
        op.undo(_not_here, op)
        _spawn(op, image_id)
    op.ends(vm_state=vm_states.ACTIVE, power_state=op.host.driver.get_info(instance).state,
            launched_at=timeutils.utcnow(with_timezone=True),
            system_metadata_changes=dict.fromkeys(KEYS))
    op.expects(*snapshot.own_tasks(op))
    if image_id:
        op.afterwards(snapshot.remove_image, op, image_id)


def _spawn(op, image_id):
    instance = op.instance
    migration = objects.Migration(op.context, source_compute=None, dest_compute=op.host.name)
    op.host.network.migrate_instance_finish(op.context, instance, migration, op.host.name)
    network_info, bdi = instance.get_network_info(), volumes.connect_all(op)
    if op.action.attempts > 1:
        # Of a try that was cut off.
        op.host.driver.destroy(op.context, instance, network_info, bdi)
    op.save(snapshot.own_tasks(op), task_state=task_states.SPAWNING)
    op.host.firewall.apply(instance, network_info)
    own_image = instance.image_ref
    meta = objects.ImageMeta.from_dict(op.host.image.get(op.context, image_id)) if image_id else instance.image_meta
    try:
        instance.trust('image_ref', image_id or own_image)
        op.host.driver.spawn(op.context, instance, meta, [], None, network_info=network_info, block_device_info=bdi)
    finally:
        instance.trust('image_ref', own_image)
    op.undo(op.host.driver.destroy, op.context, instance, network_info, bdi)


def _not_here(op):
    """It could not be unshelved here: it is offloaded as before."""
    op.host.firewall.remove(op.instance)
    op.tidy(volumes.leave_all, op)
    objects.Claim.release(op.context, op.instance.uuid, '')
    op.save(host=None, node=None, compute_id=None, placement=None)


def give_up(context, action):
    """Nobody will finish this order, of whatever kind: give back what it holds besides the states.

    The image that it was to fill goes, unless a server is kept as it; a server that was to come back here is offloaded
    as before.  Returns what the server becomes.
    """
    volumes.give_up(context, action)
    image_id = (action.args or {}).get('image_id')
    if not image_id and action.action != 'unshelve':
        return {}
    try:
        instance = objects.Instance.get_by_uuid(context, action.instance_uuid)
    except exception.InstanceNotFound:
        instance = None
    if image_id and not (instance and (instance.system_metadata or {}).get('shelved_image_id') == image_id):
        _discard(context, image_id)
    if action.action == 'unshelve' and instance and instance.vm_state == vm_states.SHELVED_OFFLOADED:
        objects.Claim.release(context, instance.uuid, '')
        return {'host': None, 'node': None, 'compute_id': None, 'placement': None}
    return {}


def _discard(context, image_id):
    try:
        image.API().delete(context, image_id)
    except exception.NovaException as exc:
        LOG.warning('Image %s was to be filled by an order that came to nothing, and stays: %s', image_id, exc)


def forget(op):
    """A server is deleted for good: so is the image that it was shelved as."""
    image_id = (op.instance.system_metadata or {}).get('shelved_image_id')
    if image_id:
        op.afterwards(snapshot.remove_image, op, image_id)
