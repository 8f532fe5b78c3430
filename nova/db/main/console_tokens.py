# SPDX-License-Identifier: Apache-2.0
"""Tokens that open consoles: kept as hashes, bound to a server, and for a limited time."""

import sqlalchemy as sa
from sqlalchemy import orm

from nova.db.main import base
from nova.db.types import BIG_ID


class ConsoleAuthToken(base.Timestamps, base.Base):
    __tablename__ = 'console_auth_tokens'

    id: orm.Mapped[int] = orm.mapped_column(BIG_ID, primary_key=True)
    token_hash: orm.Mapped[str] = orm.mapped_column(sa.String(64))
    console_type: orm.Mapped[str] = orm.mapped_column(sa.String(32))
    host: orm.Mapped[str] = orm.mapped_column(sa.String(255))
    port: orm.Mapped[int]
    tls_port: orm.Mapped[int | None]
    internal_access_path: orm.Mapped[str | None] = orm.mapped_column(sa.String(255))
    instance_uuid: orm.Mapped[str] = orm.mapped_column(sa.String(36))
    # seconds since the epoch
    expires: orm.Mapped[int]
    access_url_base: orm.Mapped[str | None] = orm.mapped_column(sa.String(255))

    __table_args__ = (
        sa.UniqueConstraint('token_hash', name='uniq_console_auth_tokens0token_hash'),
        sa.Index('console_auth_tokens_instance_idx', 'instance_uuid'),
        sa.Index('console_auth_tokens_expires_idx', 'expires'),
        base.Base.__table_args__,
    )


tokens = ConsoleAuthToken.__table__


def insert(conn, values):
    return conn.execute(tokens.insert(), values).inserted_primary_key[0]


def valid(conn, token_hash, now):
    """The token's row, or None when there is none that has not expired."""
    return conn.execute(sa.select(*tokens.columns).where(
        tokens.c.token_hash == token_hash, tokens.c.expires > now)).mappings().first()


def delete_of(conn, instance_uuid):
    """No console of a server can be opened any more; returns how many tokens that were."""
    return conn.execute(tokens.delete().where(tokens.c.instance_uuid == instance_uuid)).rowcount


def delete_expired(conn, now):
    return conn.execute(tokens.delete().where(tokens.c.expires <= now)).rowcount
