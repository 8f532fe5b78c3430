# SPDX-License-Identifier: Apache-2.0
"""Snapshots of volumes that only the hypervisor can take, because the volume is a file that a guest has open.

The volume service asks for them and waits for the snapshot's status, so that every way it may end is told to it.
"""

from oslo_log import log

from nova import exception

LOG = log.getLogger(__name__)


def create(host, context, instance, volume_id, create_info):
    """Take a snapshot.  Nothing is raised: the volume service reads the end in the snapshot's status."""
    _do(host, context, create_info['snapshot_id'], ('creating', 'error'),
        host.driver.volume_snapshot_create, context, instance, volume_id, create_info)


def delete(host, context, instance, volume_id, snapshot_id, delete_info):
    """Merge a snapshot away.  Nothing is raised, as above."""
    _do(host, context, snapshot_id, ('deleting', 'error_deleting'),
        host.driver.volume_snapshot_delete, context, instance, volume_id, snapshot_id, delete_info)


def _do(host, context, snapshot_id, statuses, method, *args):
    """Let the driver work; the snapshot's status is the first of `statuses` if it did, the second if it failed."""
    done, failed = statuses
    try:
        method(*args)
    except (NotImplementedError, exception.NovaException) as exc:
        LOG.warning('Snapshot %s could not be taken or removed: %s', snapshot_id,
                    str(exc) or 'the driver does no snapshots of volumes')
        done = failed
    except Exception:
        LOG.exception('Snapshot %s could not be taken or removed', snapshot_id)
        done = failed
    host.volume.update_snapshot_status(context, snapshot_id, done)
