# SPDX-License-Identifier: Apache-2.0
"""Domains, and names in them, of floating addresses."""

import sqlalchemy as sa
from sqlalchemy import orm

from nova.db.main import base

Text = orm.Mapped[str | None]


class DNSDomain(base.Timestamps, base.Base):
    __tablename__ = 'dns_domains'

    domain: orm.Mapped[str] = orm.mapped_column(sa.String(253), primary_key=True)
    scope: orm.Mapped[str] = orm.mapped_column(sa.String(16))
    project_id: Text = orm.mapped_column(sa.String(255))
    availability_zone: Text = orm.mapped_column(sa.String(255))


class DNSEntry(base.Timestamps, base.Base):
    __tablename__ = 'dns_entries'

    domain: orm.Mapped[str] = orm.mapped_column(sa.String(253), primary_key=True)
    name: orm.Mapped[str] = orm.mapped_column(sa.String(253), primary_key=True)
    address: orm.Mapped[str] = orm.mapped_column(sa.String(39))
    type: orm.Mapped[str] = orm.mapped_column(sa.String(8))

    __table_args__ = (sa.Index('dns_entries_address_idx', 'domain', 'address'), base.Base.__table_args__)


domains, entries = DNSDomain.__table__, DNSEntry.__table__


def select_domains(conn, *where):
    return conn.execute(sa.select(*domains.columns).where(*where).order_by(domains.c.domain)).mappings().all()


def put_domain(conn, domain, values):
    if not conn.execute(domains.update().where(domains.c.domain == domain).values(values)).rowcount:
        conn.execute(domains.insert().values(domain=domain, **values))


def delete_domain(conn, domain):
    """With its entries; whether there was one."""
    conn.execute(entries.delete().where(entries.c.domain == domain))
    return conn.execute(domains.delete().where(domains.c.domain == domain)).rowcount > 0


def select_entries(conn, *where):
    return conn.execute(sa.select(*entries.columns).where(*where)
                        .order_by(entries.c.domain, entries.c.name)).mappings().all()


def put_entry(conn, domain, name, values):
    of = (entries.c.domain == domain, entries.c.name == name)
    if not conn.execute(entries.update().where(*of).values(values)).rowcount:
        conn.execute(entries.insert().values(domain=domain, name=name, **values))


def delete_entry(conn, domain, name):
    """Whether there was one."""
    return conn.execute(entries.delete().where(entries.c.domain == domain, entries.c.name == name)).rowcount > 0
