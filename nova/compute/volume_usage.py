# SPDX-License-Identifier: Apache-2.0
"""How much the servers of a host use their volumes: looked at from time to time, and when a hypervisor's counters end.

With volume_usage_poll_interval = 0 nothing here asks or stores anything.
"""

import collections
import contextlib
import time

from oslo_log import log

from nova import objects
from nova.conf import CONF
from nova.notifications import tell
from nova.objects import volume_usage

LOG = log.getLogger(__name__)
#: Readings that are recorded at once.
_TOGETHER = 500
#: What drivers call the counters, in the order of `volume_usage.COUNTERS`.
_OF_DRIVER = ('rd_req', 'rd_bytes', 'wr_req', 'wr_bytes')


def is_on():
    return CONF.volume_usage_poll_interval > 0


def poll(host, context):
    """Look at all volumes of the servers here, record what they did, and tell it."""
    by_server = collections.defaultdict(list)
    for bdm in objects.BlockDeviceMappingList.get_volumes_on(context, host.name):
        by_server[bdm.instance_uuid].append(bdm)
    if not by_server:
        return
    servers = objects.InstanceList.get_by_uuids(context, list(by_server))
    asked_at = time.time()
    try:
        found = host.driver.get_all_volume_usage(context, [
            {'instance': server, 'instance_bdms': by_server[server.uuid]} for server in servers])
    except NotImplementedError:
        LOG.debug('This hypervisor does not say how much volumes are used')
        return
    readings = [_reading(each['instance'], each['volume'], [each[name] for name in _OF_DRIVER], asked_at)
                for each in found]
    for first in range(0, len(readings), _TOGETHER):
        _record(host, context, readings[first:first + _TOGETHER])


@contextlib.contextmanager
def ending(op, bdms):
    """Around what ends the counters of these volumes of an operation's server, and leaves them where it fails: what
    they said last is added to the totals.  That nothing is heard or recorded does not keep the operation.
    """
    if not is_on():
        yield
        return
    readings = [_last(op, bdm) for bdm in bdms or () if bdm.volume_id and bdm.connection_info]
    yield
    if readings:
        ended_at = time.time()
        op.tidy(_record, op.host, op.context, [{**reading, 'ended_at': ended_at} for reading in readings])


def goes_on(op, bdm):
    """Another volume is in the place of one, and the counters of the disk go on: what they said is not its own."""
    if is_on():
        reading = _last(op, bdm)
        if reading['counted']:
            op.tidy(_record, op.host, op.context, [reading], has_begun=True)


def forget(context, volume_id):
    """A volume was deleted."""
    if is_on():
        objects.VolumeUsage.forget(context, volume_id)


def _last(op, bdm):
    """What the hypervisor says of one volume; without numbers where it says nothing."""
    asked_at = time.time()
    try:
        counted = op.host.driver.block_stats(op.instance, (bdm.device_name or '').rpartition('/')[2])
    except Exception as exc:    # noqa: BLE001  of any driver; the guest may be gone already
        LOG.debug('Volume %s of server %s does not say how much it was used: %s', bdm.volume_id, op.instance.uuid, exc)
        counted = None
    return _reading(op.instance, bdm.volume_id, counted, asked_at)


def _reading(server, volume_id, counted, asked_at):
    """:param counted: the numbers of the driver, in the order of COUNTERS; those after them are left out."""
    return {'volume_id': volume_id, 'instance_uuid': server.uuid, 'project_id': server.project_id,
            'user_id': server.user_id, 'availability_zone': server.availability_zone, 'at': asked_at, 'ended_at': None,
            'counted': {name: max(0, int(count)) for name, count in zip(volume_usage.COUNTERS, counted, strict=False)}
            if counted else None}


def _record(host, context, readings, has_begun=False):
    for usage in objects.VolumeUsageList.record(context, readings, has_begun):
        tell.volume_usage(context, usage, host.name)
