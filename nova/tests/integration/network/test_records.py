# SPDX-License-Identifier: Apache-2.0
"""The tests of nova/tests/unit/network that are about records, on the database servers."""

import uuid

import pytest
import sqlalchemy as sa

from nova import db
from nova.conf import CONF
from nova.tests import database as databases
from nova.tests.integration import test_claims_race as servers
from nova.tests.unit.network.test_addresses import *  # noqa: F403
from nova.tests.unit.network.test_security_groups import *  # noqa: F403


@pytest.fixture(scope='module', params=[servers._MySQL.server, servers._PostgreSQL.server], ids=['mysql', 'postgresql'])
def tables(request, tmp_path_factory):
    """A database of our own with all tables; its URL."""
    name = f'nova_networks_{uuid.uuid4().hex[:12]}'
    url = sa.make_url(request.param)
    server = sa.create_engine(url, isolation_level='AUTOCOMMIT')

    def execute(statement):
        with server.connect() as connection:
            connection.execute(sa.text(statement))
    execute(f'CREATE DATABASE {name}')
    CONF.set_override('connection', url.set(database=name).render_as_string(hide_password=False), group='database')
    try:
        with databases.database(tmp_path_factory.mktemp('records')) as made:
            yield made
    finally:
        CONF.clear_override('connection', group='database')
        execute(f'DROP DATABASE {name}')
        server.dispose()


@pytest.fixture
def database(tables, monkeypatch):
    # The tests say which address comes first; that several are chosen among is for those who come at once.
    monkeypatch.setattr(db.networks, '_SPREAD', 1)
    with db.session.engine(tables).begin() as conn:
        for base in (db.main.base.Base, db.api.base.Base):
            for table in base.metadata.sorted_tables:
                conn.execute(table.delete())
    return tables
