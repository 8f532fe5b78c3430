# SPDX-License-Identifier: Apache-2.0
"""Images of servers' disks.  The server stays as it is, whatever happens."""

from oslo_log import log

from nova import exception
from nova.compute import task_states
from nova.compute.operations import carries_out

LOG = log.getLogger(__name__)


@carries_out('snapshot_instance')
def snapshot(op):
    """Fill the image; of backups, throw out the oldest."""
    op.undo(remove_image, op, op.args['image_id'])
    if 'rotation' not in op.args:
        op.save(task_state=task_states.IMAGE_SNAPSHOT)
    fill(op)
    if 'rotation' in op.args:
        _rotate(op)


def fill(op, names=None):
    """Have the driver write the image of the order.

    :param names: {task state as the driver names it: ours}.
    """
    if op.action.attempts > 1:
        op.host.driver.post_interrupted_snapshot_cleanup(op.context, op.instance)

    def update_task_state(task_state, expected_state=None):
        op.save(task_state=(names or {}).get(task_state, task_state))
    op.host.driver.snapshot(op.context, op.instance, op.args['image_id'], update_task_state)


def remove_image(op, image_id):
    """The image came to nothing."""
    try:
        op.host.image.delete(op.context, image_id)
    except exception.ImageNotFound:
        return


def _rotate(op):
    found = [image for image in op.host.image.get_all(op.context, filters={})
             if _is_backup(image, op)]
    # Moments of images have no fractions: of those of one second, the one just made is the newest.
    found.sort(key=lambda image: (str(image.get('created_at')), image['id'] == op.args['image_id']), reverse=True)
    for image in found[op.args['rotation']:]:
        LOG.info('Backup %s of server %s is older than the newest %d; removing it', image['id'], op.instance.uuid,
                 op.args['rotation'])
        remove_image(op, image['id'])


def _is_backup(image, op):
    properties = image.get('properties') or {}
    return (properties.get('image_type') == 'backup' and properties.get('instance_uuid') == op.instance.uuid
            and properties.get('backup_type') == op.args['backup_type'])
