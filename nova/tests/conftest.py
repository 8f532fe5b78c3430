# SPDX-License-Identifier: Apache-2.0
"""Fixtures of all tests."""

import pytest

from nova.tests import database as databases


@pytest.fixture
def database(tmp_path):
    """A SQLite database with all tables; its URL."""
    with databases.database(tmp_path) as url:
        yield url


@pytest.fixture
def statements(database):
    """Counts SQL statements: `with statements() as ran: ...; assert len(ran) == 3`."""
    return lambda: databases.Statements(database)
