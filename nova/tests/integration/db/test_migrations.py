# SPDX-License-Identifier: Apache-2.0
"""The migrations on MariaDB and PostgreSQL; both sets in one database."""

import os
import secrets

import pytest
import sqlalchemy as sa

from nova.conf import CONF
from nova.db import migration

SERVERS = {'mysql': os.environ.get('NOVA_TEST_MYSQL', 'mysql+pymysql://root@127.0.0.1/mysql'),
           'postgresql': os.environ.get('NOVA_TEST_POSTGRESQL', 'postgresql+psycopg2://postgres@127.0.0.1/postgres')}


@pytest.fixture(params=sorted(SERVERS))
def url(request):
    CONF([], default_config_files=[])
    server = sa.make_url(SERVERS[request.param])
    name = f'nova_test_{secrets.token_hex(4)}'
    engine = sa.create_engine(server, isolation_level='AUTOCOMMIT')
    with engine.connect() as conn:
        conn.execute(sa.text(f'CREATE DATABASE {name}'))
    yield server.set(database=name).render_as_string(hide_password=False)
    with engine.connect() as conn:
        conn.execute(sa.text(f'DROP DATABASE {name}' + (' WITH (FORCE)' if request.param == 'postgresql' else '')))
    engine.dispose()


def test_an_empty_database_gets_the_tables_of_the_models(url):
    for which in migration.SETS:
        migration.sync(which, url=url)
        migration.sync(which, url=url)
    for which in migration.SETS:
        assert migration.version(which, url) == migration.head(which)
        assert migration.differences(which, url) == []
