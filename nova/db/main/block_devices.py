# SPDX-License-Identifier: Apache-2.0
"""Block device mappings: the disks a server asked for."""

import functools

import sqlalchemy as sa
from sqlalchemy import orm

from nova.db.main import base, instances
from nova.db.types import BIG_ID, Json, insert_into, utcnow

Text = orm.Mapped[str | None]


def _string(length=255, **kwargs):
    return orm.mapped_column(sa.String(length), **kwargs)


class BlockDevice(base.Timestamps, base.SoftDelete, base.Base):
    __tablename__ = 'block_device_mapping'

    id: orm.Mapped[int] = orm.mapped_column(BIG_ID, primary_key=True)
    uuid: orm.Mapped[str] = _string(36)
    instance_uuid: orm.Mapped[str] = _string(36)
    source_type: Text = _string()
    destination_type: Text = _string()
    guest_format: Text = _string()
    device_name: Text = _string()
    device_type: Text = _string()
    disk_bus: Text = _string()
    boot_index: orm.Mapped[int | None]
    snapshot_id: Text = _string(36)
    volume_id: Text = _string(36)
    volume_size: orm.Mapped[int | None]
    volume_type: Text = _string()
    image_id: Text = _string(36)
    delete_on_termination: orm.Mapped[bool] = orm.mapped_column(default=False)
    no_device: orm.Mapped[bool] = orm.mapped_column(default=False)
    connection_info = orm.mapped_column(Json)
    attachment_id: Text = _string(36)
    tag: Text = _string()

    __table_args__ = (
        sa.UniqueConstraint('uuid', name='uniq_block_device_mapping0uuid'),
        sa.Index('block_device_mapping_instance_idx', 'instance_uuid', 'deleted'),
        sa.Index('block_device_mapping_volume_idx', 'volume_id', 'deleted'),
        base.Base.__table_args__,
    )


devices = BlockDevice.__table__


def insert(conn, rows):
    if rows:
        conn.execute(insert_into(devices), rows)


@functools.cache
def _of_instances():
    c = devices.c
    return sa.select(*devices.columns).where(
        c.instance_uuid.in_(sa.bindparam('uuids', expanding=True)), c.deleted == 0).order_by(c.boot_index, c.id)


def of_instances(conn, uuids):
    """{instance uuid: [row, ...]} in boot order."""
    found = {}
    for row in conn.execute(_of_instances(), {'uuids': list(uuids)}).mappings():
        found.setdefault(row['instance_uuid'], []).append(row)
    return found


def of_volume(conn, volume_id):
    c = devices.c
    return conn.execute(sa.select(*devices.columns).where(c.volume_id == volume_id, c.deleted == 0).order_by(c.id)
                        ).mappings().all()


def volumes_on(conn, host):
    """Of the volumes that servers of a host have."""
    c, servers = devices.c, instances.instances.c
    both = devices.join(instances.instances, servers.uuid == c.instance_uuid)
    return conn.execute(sa.select(*devices.columns).select_from(both).where(
        servers.host == host, servers.deleted == 0, c.deleted == 0, c.volume_id.is_not(None),
        c.connection_info.is_not(None)).order_by(c.id)).mappings().all()


def by_uuid(conn, uuid):
    return conn.execute(sa.select(*devices.columns).where(devices.c.uuid == uuid)).mappings().one_or_none()


def soft_delete(conn, uuid):
    now = utcnow()
    return conn.execute(devices.update().where(devices.c.uuid == uuid, devices.c.deleted == 0)
                        .values(deleted=devices.c.id, deleted_at=now, updated_at=now)).rowcount


def update(conn, device_id, values):
    return conn.execute(devices.update().where(devices.c.id == device_id).values(values)).rowcount


def soft_delete_of(conn, instance_uuid):
    now = utcnow()
    conn.execute(devices.update().where(devices.c.instance_uuid == instance_uuid, devices.c.deleted == 0)
                 .values(deleted=devices.c.id, deleted_at=now, updated_at=now))
