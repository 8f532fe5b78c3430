# SPDX-License-Identifier: Apache-2.0
"""Ways back into a guest: its administrator's password, and a rescue system."""

from oslo_utils import timeutils

from nova import exception, objects
from nova.compute import consoles, power, power_state, shares, task_states, vm_states, volume_usage
from nova.compute.operations import carries_out
from nova.conf import CONF


@carries_out('set_admin_password')
def set_admin_password(op):
    """Set the administrator's password in the running guest.  Raises InstancePasswordSetFailed."""
    if op.host.driver.get_info(op.instance).state != power_state.RUNNING:
        raise exception.InstancePasswordSetFailed(instance=op.instance.uuid, reason='the guest is not running')
    try:
        op.host.driver.set_admin_password(op.instance, op.args['new_pass'])
    except NotImplementedError as exc:
        raise exception.InstancePasswordSetFailed(
            instance=op.instance.uuid, reason='this hypervisor cannot set passwords in guests') from exc
    op.ends(vm_state=vm_states.ACTIVE)
    op.expects(task_states.UPDATING_PASSWORD)


@carries_out('rescue_instance')
@consoles.closes
def rescue(op):
    """Start the guest from a rescue image: the one asked for, the one configured, or its own."""
    instance = op.instance
    broken, op.failure_state = op.failure_state, None     # until the guest is off
    image = _rescue_image(op)
    with volume_usage.ending(op, op.bdms):
        op.host.driver.power_off(instance, *power.patience(op))
    op.failure_state = broken
    op.host.driver.rescue(op.context, instance, instance.get_network_info(), image, op.args.get('rescue_password'))
    op.ends(vm_state=vm_states.RESCUED, power_state=op.host.driver.get_info(instance).state,
            launched_at=timeutils.utcnow(with_timezone=True))
    op.expects(task_states.RESCUING)


def _rescue_image(op):
    image_id = op.args.get('rescue_image_ref') or CONF.rescue_image_id or op.instance.image_ref
    if not image_id:
        raise exception.InstanceNotRescuable(instance_id=op.instance.uuid,
                                             reason='it has no image of its own, and none was named')
    if image_id == op.instance.image_ref:
        return op.instance.image_meta
    return objects.ImageMeta.from_dict(op.host.image.get(op.context, image_id))


@carries_out('unrescue_instance')
@consoles.closes
def unrescue(op):
    """Start the guest from its own disk again."""
    shares.mount_all(op, mend=True)
    op.host.driver.unrescue(op.instance, op.instance.get_network_info())
    op.ends(vm_state=vm_states.ACTIVE, power_state=op.host.driver.get_info(op.instance).state)
    op.expects(task_states.UNRESCUING)
