# SPDX-License-Identifier: Apache-2.0
"""Images of servers' disks.  The server stays as it is, whatever happens."""

from oslo_log import log

from nova import exception, image
from nova.compute import states, task_states, volume_images
from nova.compute.operations import carries_out

LOG = log.getLogger(__name__)


@carries_out('snapshot_instance')
def snapshot(op):
    """Fill the image; of backups, throw out the oldest."""
    op.undo(remove_image, op, op.args['image_id'])
    if 'rotation' not in op.args:
        op.save(own_tasks(op), task_state=task_states.IMAGE_SNAPSHOT)
    try:
        fill(op)
    except exception.ImageNotFound as exc:
        if op.args['image_id'] not in str(exc):
            raise
        # Its owner deleted it meanwhile: nothing is wrong with the server.
        LOG.info('Image %s of server %s was deleted before it was complete', op.args['image_id'], op.instance.uuid)
        op.details = 'The image was deleted before it was complete.'
    if 'rotation' in op.args:
        _rotate(op)
    op.expects(*own_tasks(op))


def own_tasks(op):
    """The task states of an action: with any other one somebody else has the server, a deletion for example."""
    return states.by_record(op.action.action).meanwhile


def fill(op, names=None):
    """Have the driver write the image of the order.

    :param names: {task state as the driver names it: ours}.
    """
    if op.action.attempts > 1:
        op.host.driver.post_interrupted_snapshot_cleanup(op.context, op.instance)
        if op.host.image.get(op.context, op.args['image_id'])['status'] == 'active':
            return      # the try that was cut off had come so far
    if not op.instance.image_ref:
        volume_images.fill(op)
        return

    def update_task_state(task_state, expected_state=None):
        op.save(own_tasks(op), task_state=(names or {}).get(task_state, task_state))
    op.host.driver.snapshot(op.context, op.instance, op.args['image_id'], update_task_state)


def remove_image(op, image_id):
    """The image came to nothing, or is not needed any more."""
    try:
        image.API().delete(op.context, image_id)
    except exception.ImageNotFound:
        return


def _rotate(op):
    mine = {'image_type': 'backup', 'instance_uuid': op.instance.uuid, 'backup_type': op.args['backup_type']}
    found = op.host.image.get_all(op.context, filters={f'property-{key}': value for key, value in mine.items()})
    # Moments of images have no fractions: of those of one second, the one just made is the newest.
    found.sort(key=lambda image: (str(image.get('created_at')), image['id'] == op.args['image_id']), reverse=True)
    for old in found[op.args['rotation']:]:
        LOG.info('Backup %s of server %s is older than the newest %d; removing it', old['id'], op.instance.uuid,
                 op.args['rotation'])
        try:
            remove_image(op, old['id'])
        except exception.ImageNotAuthorized as exc:
            # Its owner protects it.
            LOG.warning('Backup %s of server %s stays: %s', old['id'], op.instance.uuid, exc)
