# SPDX-License-Identifier: Apache-2.0
"""Servers that are kept as an image: shelved on their host, offloaded from it, and back."""

from oslo_log import log
from oslo_utils import timeutils

from nova import objects
from nova.compute import block_devices, power, power_state, snapshot, task_states, vm_states
from nova.compute.operations import carries_out
from nova.conf import CONF

LOG = log.getLogger(__name__)
#: What a shelved server remembers, in its system metadata.
KEYS = ('shelved_at', 'shelved_image_id', 'shelved_host')
_TASKS = {task_states.IMAGE_PENDING_UPLOAD: task_states.SHELVING_IMAGE_PENDING_UPLOAD,
          task_states.IMAGE_UPLOADING: task_states.SHELVING_IMAGE_UPLOADING}


@carries_out('shelve_instance')
def shelve(op):
    """Stop the guest and copy its disk into an image."""
    instance = op.instance
    op.undo(_start_again, op)
    op.undo(snapshot.remove_image, op, op.args['image_id'])
    op.host.driver.power_off(instance, *power.patience(op))
    snapshot.fill(op, _TASKS)
    kept = {**(instance.system_metadata or {}), 'shelved_at': timeutils.utcnow().isoformat(),
            'shelved_image_id': op.args['image_id'], 'shelved_host': op.host.name}
    values = {'vm_state': vm_states.SHELVED, 'power_state': power_state.SHUTDOWN, 'system_metadata': kept}
    if CONF.shelved_offload_time == 0:
        op.save(task_state=task_states.SHELVING_OFFLOADING, **values)
        op.forget_undo()
        values = _offload(op)
    op.ends(**values)


def _start_again(op):
    """Shelving failed: the server is as it was."""
    if op.instance.vm_state == vm_states.ACTIVE:
        op.host.driver.power_on(op.context, op.instance, op.instance.get_network_info(),
                                block_devices.info_of(op.instance, op.bdms))


@carries_out('shelve_offload_instance')
def offload(op):
    """Free what the server holds on this host; its addresses stay its own."""
    op.ends(**_offload(op))


def _offload(op):
    instance = op.instance
    op.host.driver.destroy(op.context, instance, instance.get_network_info(),
                           block_devices.info_of(instance, op.bdms))
    op.host.firewall.remove(instance)
    objects.Claim.release(op.context, instance.uuid, '')
    return {'vm_state': vm_states.SHELVED_OFFLOADED, 'power_state': power_state.SHUTDOWN, 'host': None, 'node': None,
            'compute_id': None}


@carries_out('unshelve_instance')
def unshelve(op):
    """Start the guest: from the disk that is here, or from the image that it was kept as."""
    instance = op.instance
    kept = dict(instance.system_metadata or {})
    image_id = kept.get('shelved_image_id')
    if instance.vm_state == vm_states.SHELVED:
        op.host.firewall.apply(instance, instance.get_network_info())
        op.host.driver.power_on(op.context, instance, instance.get_network_info(),
                                block_devices.info_of(instance, op.bdms))
    else:
        op.undo(_not_here, op)
        _spawn(op, image_id)
    op.ends(vm_state=vm_states.ACTIVE, power_state=op.host.driver.get_info(instance).state,
            launched_at=timeutils.utcnow(with_timezone=True),
            system_metadata={key: value for key, value in kept.items() if key not in KEYS})
    if image_id:
        op.afterwards(snapshot.remove_image, op, image_id)


def _spawn(op, image_id):
    instance = op.instance
    op.save(task_state=task_states.SPAWNING)
    migration = objects.Migration(op.context, source_compute=None, dest_compute=op.host.name)
    op.host.network.migrate_instance_finish(op.context, instance, migration, op.host.name)
    network_info, bdi = instance.get_network_info(), block_devices.info_of(instance, op.bdms)
    op.host.firewall.apply(instance, network_info)
    own_image = instance.image_ref
    image = objects.ImageMeta.from_dict(op.host.image.get(op.context, image_id)) if image_id else instance.image_meta
    try:
        instance.trust('image_ref', image_id or own_image)
        op.host.driver.spawn(op.context, instance, image, [], None, network_info=network_info, block_device_info=bdi)
    finally:
        instance.trust('image_ref', own_image)
    op.undo(op.host.driver.destroy, op.context, instance, network_info, bdi)


def _not_here(op):
    """It could not be unshelved here: it is offloaded as before."""
    op.host.firewall.remove(op.instance)
    objects.Claim.release(op.context, op.instance.uuid, '')
    op.save(host=None, node=None, compute_id=None)
