# SPDX-License-Identifier: Apache-2.0
"""Images of servers that boot from a volume: snapshots of their volumes, which a property of the image names.

Such an image has no content.  A server that is made of it gets new volumes out of the snapshots.
"""

import contextlib

from oslo_log import log
from oslo_serialization import jsonutils
from oslo_utils import strutils

from nova import exception
from nova.compute import vm_states

LOG = log.getLogger(__name__)

#: The property: JSON, items as in block_device_mapping_v2 with `snapshot_id`; and what says that they are such.
PROPERTY, IS_V2 = 'block_device_mapping', 'bdm_v2'
#: What of a server's disk goes into the image.
_KEPT = ('boot_index', 'delete_on_termination', 'device_name', 'device_type', 'disk_bus', 'guest_format', 'tag',
         'volume_size', 'volume_type')


def fill(op):
    """Take a snapshot of every volume of the order's server, and have its image name them.

    Of a running guest, the file systems hold still meanwhile if the image asks for it (os_require_quiesce).
    """
    image_id = op.args['image_id']
    mapping = []
    with _holding_still(op):
        for bdm in op.bdms or ():
            if bdm.is_volume:
                snapshot = _take(op, bdm, image_id)
                mapping.append({**{name: getattr(bdm, name, None) for name in _KEPT}, 'source_type': 'snapshot',
                                'destination_type': 'volume', 'snapshot_id': snapshot.id})
    op.host.image.update(op.context, image_id, {
        'disk_format': 'raw', 'container_format': 'bare', 'properties': {
            PROPERTY: jsonutils.dumps(mapping), IS_V2: 'True', 'root_device_name': op.instance.root_device_name}},
        data=iter(()))


def _take(op, bdm, image_id):
    """A snapshot of a volume for the image: that of a try that was cut off, or a new one."""
    mark = f'of image {image_id}'
    volumes = op.host.volume
    if op.action.attempts > 1:
        for found in volumes.get_all_snapshots(op.context):
            if (found.volume_id, found.description) == (bdm.volume_id, mark):
                op.undo(volumes.delete_snapshot, op.context, found.id)
                return found
    LOG.info('Taking a snapshot of volume %s of server %s', bdm.volume_id, op.instance.uuid)
    made = volumes.create_snapshot(op.context, bdm.volume_id, f'snapshot for {op.instance.display_name}'[:255], mark,
                                   force=True)
    op.undo(volumes.delete_snapshot, op.context, made.id)
    return made


@contextlib.contextmanager
def _holding_still(op):
    """Raises what the driver raises when the guest has to hold still, and does not."""
    server, driver = op.instance, op.host.driver
    meta = server.image_meta
    asked = strutils.bool_from_string(meta.properties.get('os_require_quiesce', ''))
    if not asked or server.vm_state != vm_states.ACTIVE:
        yield
        return
    driver.quiesce(op.context, server, meta)
    try:
        yield
    finally:
        driver.unquiesce(op.context, server, meta)


def devices_of(found):
    """The disks, as block_device_mapping_v2 items, that an image names; none for one that has content.

    :param found: the image's record.  Raises ImageUnacceptable.
    """
    text = (found.get('properties') or {}).get(PROPERTY)
    if not text:
        return []
    try:
        items = jsonutils.loads(text) if isinstance(text, str) else text
        return [{key: value for key, value in item.items() if value is not None} for item in items
                if not item.get('no_device')]
    except (ValueError, AttributeError, TypeError) as exc:
        raise exception.ImageUnacceptable(image_id=found['id'], reason=f'its property {PROPERTY} is no list of '
                                                                       'disks') from exc


def merged(devices, requested):
    """The disks of an image and those of a request; a request's disk of the same device name takes the other's place.

    The image itself, where a request names it as the disk to boot from, is none.
    """
    requested = [item for item in requested
                 if not (item.get('source_type') == 'image' and item.get('boot_index') in (0, '0')
                         and item.get('destination_type') != 'volume')]
    names = {item.get('device_name') for item in requested} - {None}
    return [item for item in devices if item.get('device_name') not in names] + requested
