# SPDX-License-Identifier: Apache-2.0
"""The migrations on MariaDB and PostgreSQL; both sets in one database."""

import os

import pytest

from nova.conf import CONF
from nova.db import migration
from nova.tests import database as databases

SERVERS = {'mysql': os.environ.get('NOVA_TEST_MYSQL', 'mysql+pymysql://root@127.0.0.1/mysql'),
           'postgresql': os.environ.get('NOVA_TEST_POSTGRESQL', 'postgresql+psycopg2://postgres@127.0.0.1/postgres')}


@pytest.fixture(params=sorted(SERVERS))
def url(request):
    CONF([], default_config_files=[])
    with databases.on_server(SERVERS[request.param], 'nova_test') as made:
        yield made


def test_an_empty_database_gets_the_tables_of_the_models(url):
    for which in migration.SETS:
        migration.sync(which, url=url)
        migration.sync(which, url=url)
    for which in migration.SETS:
        assert migration.version(which, url) == migration.head(which)
        assert migration.differences(which, url) == []
