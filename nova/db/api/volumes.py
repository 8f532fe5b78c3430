# SPDX-License-Identifier: Apache-2.0
"""Volumes and their snapshots, where there is no volume service: records; the content is files."""

import sqlalchemy as sa
from sqlalchemy import orm

from nova.db.api import base
from nova.db.types import Json, utcnow

Text = orm.Mapped[str | None]


def _string(length=255, **kwargs):
    return orm.mapped_column(sa.String(length), **kwargs)


class Volume(base.Timestamps, base.Base):
    __tablename__ = 'volumes'

    id: orm.Mapped[str] = _string(36, primary_key=True)
    project_id: Text = _string()
    user_id: Text = _string()
    name: Text = _string()
    description: Text = _string()
    size_gb: orm.Mapped[int]
    status: orm.Mapped[str] = _string(32)
    volume_type: Text = _string()
    availability_zone: Text = _string()
    snapshot_id: Text = _string(36)
    image_id: Text = _string(36)
    bootable: orm.Mapped[bool] = orm.mapped_column(default=False)
    multiattach: orm.Mapped[bool] = orm.mapped_column(default=False)
    read_only: orm.Mapped[bool] = orm.mapped_column(default=False)
    volume_metadata = orm.mapped_column('metadata', Json)
    image_metadata = orm.mapped_column(Json)

    __table_args__ = (sa.Index('volumes_project_idx', 'project_id', 'created_at'), base.Base.__table_args__)


class Attachment(base.Timestamps, base.Base):
    __tablename__ = 'volume_attachments'

    id: orm.Mapped[str] = _string(36, primary_key=True)
    volume_id: orm.Mapped[str] = _string(36)
    instance_uuid: orm.Mapped[str] = _string(36)
    device: Text = _string()

    __table_args__ = (sa.Index('volume_attachments_volume_idx', 'volume_id'),
                      sa.Index('volume_attachments_instance_idx', 'instance_uuid'), base.Base.__table_args__)


class Snapshot(base.Timestamps, base.Base):
    __tablename__ = 'volume_snapshots'

    id: orm.Mapped[str] = _string(36, primary_key=True)
    volume_id: orm.Mapped[str] = _string(36)
    project_id: Text = _string()
    user_id: Text = _string()
    name: Text = _string()
    description: Text = _string()
    size_gb: orm.Mapped[int]
    status: orm.Mapped[str] = _string(32)
    snapshot_metadata = orm.mapped_column('metadata', Json)

    __table_args__ = (sa.Index('volume_snapshots_project_idx', 'project_id', 'created_at'),
                      sa.Index('volume_snapshots_volume_idx', 'volume_id'), base.Base.__table_args__)


volumes, attachments, snapshots = Volume.__table__, Attachment.__table__, Snapshot.__table__


def insert(conn, table, values):
    conn.execute(table.insert(), {'created_at': utcnow(), **values})


def by_id(conn, table, item_id):
    return conn.execute(sa.select(*table.columns).where(table.c.id == item_id)).mappings().one_or_none()


def of_project(conn, table, project_id=None):
    """Rows of a project (None: of all), newest first."""
    statement = sa.select(*table.columns).order_by(table.c.created_at.desc(), table.c.id)
    if project_id is not None:
        statement = statement.where(table.c.project_id == project_id)
    return conn.execute(statement).mappings().all()


def delete(conn, table, item_id):
    return conn.execute(table.delete().where(table.c.id == item_id)).rowcount


def change(conn, volume_id, values, statuses=None):
    """Change a volume whose status is among those given (None: any); whether there was one."""
    statement = volumes.update().where(volumes.c.id == volume_id)
    if statuses is not None:
        statement = statement.where(volumes.c.status.in_(list(statuses)))
    return conn.execute(statement.values({'updated_at': utcnow(), **values})).rowcount == 1


def change_snapshot(conn, snapshot_id, values):
    conn.execute(snapshots.update().where(snapshots.c.id == snapshot_id).values({'updated_at': utcnow(), **values}))


def attachments_of(conn, volume_ids):
    """{volume id: [row, …]}"""
    found = {}
    for row in conn.execute(sa.select(*attachments.columns).where(attachments.c.volume_id.in_(list(volume_ids)))
                            .order_by(attachments.c.created_at)).mappings():
        found.setdefault(row['volume_id'], []).append(row)
    return found


def count_attachments(conn, volume_id):
    return conn.execute(sa.select(sa.func.count()).where(attachments.c.volume_id == volume_id)).scalar()


def count_snapshots(conn, volume_id):
    return conn.execute(sa.select(sa.func.count()).where(snapshots.c.volume_id == volume_id)).scalar()


def set_device(conn, attachment_id, device):
    conn.execute(attachments.update().where(attachments.c.id == attachment_id).values(device=device,
                                                                                     updated_at=utcnow()))
