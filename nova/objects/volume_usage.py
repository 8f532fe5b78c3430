# SPDX-License-Identifier: Apache-2.0
"""How much volumes are used."""

import datetime

from nova import db
from nova.objects import base, fields

#: What hypervisors count of a disk: requests, and bytes.
COUNTERS = ('reads', 'read_bytes', 'writes', 'write_bytes')
_OF = ('volume_id', 'instance_uuid')
_WHOSE = ('project_id', 'user_id', 'availability_zone')
_KEPT = tuple(f'{part}_{name}' for part in ('tot', 'curr') for name in COUNTERS)
_MOMENTS = ('tot_last_refreshed', 'curr_last_refreshed')


@base.register
class VolumeUsage(base.TimestampedObject, base.NovaObject):
    """What was read from and written to a volume.

    `curr_…`: what the hypervisor counts for the server that has it; `tot_…`: all that was counted before, for this
    server until its counters ended, and for others.
    """

    fields = {
        'id': fields.IntegerField(),
        'volume_id': fields.StringField(),
        'instance_uuid': fields.StringField(),
        **{name: fields.optional() for name in _WHOSE},
        **{name: fields.optional(fields.DateTimeField) for name in _MOMENTS},
        **{name: fields.IntegerField(default=0) for name in _KEPT},
    }

    @property
    def last_refreshed(self):
        """When the hypervisor was asked last."""
        return max((moment for moment in (self.tot_last_refreshed, self.curr_last_refreshed) if moment), default=None)

    @property
    def reads(self):
        return self.tot_reads + self.curr_reads

    @property
    def read_bytes(self):
        return self.tot_read_bytes + self.curr_read_bytes

    @property
    def writes(self):
        return self.tot_writes + self.curr_writes

    @property
    def write_bytes(self):
        return self.tot_write_bytes + self.curr_write_bytes

    @base.remotable_classmethod
    @base.retried
    def forget(cls, context, volume_id):
        """The volume is gone."""
        with db.session.writer(context) as conn:
            db.volume_usage.soft_delete_of(conn, volume_id)

    @classmethod
    @base.retried
    def keep(cls, context, volume_id):
        """The volume is still there, though no server has it.  For services that have a database."""
        with db.session.writer(context) as conn:
            db.volume_usage.touch(conn, volume_id)


@base.register
class VolumeUsageList(base.NovaObjectList):
    fields = {'objects': fields.ListOfObjectsField('VolumeUsage')}

    @base.remotable_classmethod
    @base.retried
    def record(cls, context, readings, has_begun=False):
        """Add up what hosts read off their hypervisors; the usage of the same volumes as it is now.

        :param readings: [{'volume_id', 'instance_uuid', 'project_id', 'user_id', 'availability_zone', 'counted': what
            the hypervisor says by COUNTERS, or None, 'at': when it was asked, 'ended_at': when its counters ended, or
            None}]; moments in seconds of the epoch, since those of objects lose their fractions on the wire.
        :param has_begun: the volume came to a disk that had counted before; that was not done to this volume.
        At most two statements, one where nothing changed.
        """
        with db.session.writer(context) as conn:
            rows = {}
            for row in db.volume_usage.of_volumes(conn, sorted({reading['volume_id'] for reading in readings})):
                rows.setdefault(row['volume_id'], {})[row['instance_uuid']] = dict(row)
            changed, recorded = [], []
            for reading in readings:
                of_volume = rows.setdefault(reading['volume_id'], {})
                before = of_volume.get(reading['instance_uuid'])
                if before is None and not reading['counted']:
                    continue    # nothing was ever known
                after = after_reading(before or _unused(reading), reading, has_begun)
                of_volume[reading['instance_uuid']] = after
                recorded.append(after)
                if before is None or any(before[name] != after[name] for name in (*_WHOSE, *_KEPT)):
                    changed.append(after)
            db.volume_usage.store(conn, changed)
        return cls.of(context, [_summed(context, row, rows[row['volume_id']].values()) for row in recorded])


    @classmethod
    def unattached(cls, context, seconds, limit):
        """Ids of volumes that no server of the cell has, and that nobody looked after for so long.

        For services that have a database.
        """
        with db.session.reader(context) as conn:
            return db.volume_usage.unattached(conn, db.leases.since(seconds), limit)


def _unused(reading):
    return {name: reading[name] for name in _OF} | dict.fromkeys(_KEPT, 0) | dict.fromkeys(_MOMENTS)


def after_reading(row, reading, has_begun=False):
    """The row of a volume and server after a reading, see `VolumeUsageList.record`."""
    after = {name: row[name] for name in (*_KEPT, *_MOMENTS)} | {name: reading[name] for name in (*_OF, *_WHOSE)}
    at, known = _moment(reading['at']), {name: row[f'curr_{name}'] for name in COUNTERS}
    newest = max((row[name] for name in _MOMENTS if row[name]), default=None)
    counted = reading['counted'] or known
    if newest and at < newest:
        # Asked before, told after: what came between knows more.
        counted = known
    elif any(counted[name] < known[name] for name in COUNTERS):
        # The guest was started again meanwhile, or the volume had left it.
        _move(after, known, 1)
    if has_begun:
        _move(after, counted, -1)
    if reading['ended_at']:
        _move(after, counted, 1)
        counted = dict.fromkeys(COUNTERS, 0)
        after['tot_last_refreshed'] = _moment(reading['ended_at'])
    elif newest is None or at > newest:
        after['curr_last_refreshed'] = at
    after.update({f'curr_{name}': counted[name] for name in COUNTERS})
    return after


def _moment(seconds):
    return base.naive(datetime.datetime.fromtimestamp(seconds, datetime.UTC))


def _move(row, counted, sign):
    for name, count in counted.items():
        row[f'tot_{name}'] += sign * count


def _summed(context, row, all_of_volume):
    """The object of a row, with what other servers did to the volume in its totals."""
    others = [each for each in all_of_volume if each is not row]
    return VolumeUsage.from_row(context, {**row, **{
        f'tot_{name}': row[f'tot_{name}'] + sum(each[f'tot_{name}'] + each[f'curr_{name}'] for each in others)
        for name in COUNTERS}})
