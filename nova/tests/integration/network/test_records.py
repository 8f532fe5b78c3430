# SPDX-License-Identifier: Apache-2.0
"""The tests of nova/tests/unit/network that are about records, on the database servers."""

import pytest

from nova import db
from nova.conf import CONF
from nova.tests import database as databases
from nova.tests.integration import test_claims_race as servers
from nova.tests.unit.network.test_addresses import *  # noqa: F403
from nova.tests.unit.network.test_security_groups import *  # noqa: F403


@pytest.fixture(scope='module', params=[servers._MySQL.server, servers._PostgreSQL.server], ids=['mysql', 'postgresql'])
def tables(request, tmp_path_factory):
    """A database of our own with all tables; its URL."""
    with databases.on_server(request.param, 'nova_networks') as url:
        CONF.set_override('connection', url, group='database')
        try:
            with databases.database(tmp_path_factory.mktemp('records')) as made:
                yield made
        finally:
            CONF.clear_override('connection', group='database')


@pytest.fixture
def database(tables, monkeypatch):
    # The tests say which address comes first; that several are chosen among is for those who come at once.
    monkeypatch.setattr(db.networks, '_SPREAD', 1)
    databases.empty(tables)
    return tables
