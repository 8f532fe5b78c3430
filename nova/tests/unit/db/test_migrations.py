# SPDX-License-Identifier: Apache-2.0
"""The migrations make exactly the tables of the models."""

import pytest

from nova.conf import CONF
from nova.db import migration


@pytest.fixture
def url(tmp_path):
    CONF([], default_config_files=[])
    return f'sqlite:///{tmp_path}/new/directory/nova.sqlite'


@pytest.mark.parametrize('which', migration.SETS)
def test_an_empty_database_gets_the_tables_of_the_models(url, which):
    assert migration.version(which, url) is None
    migration.sync(which, url=url)
    assert migration.version(which, url) == migration.head(which)
    assert migration.differences(which, url) == []
    migration.sync(which, url=url)      # again changes nothing


def test_both_sets_live_in_one_database(url):
    for which in migration.SETS:
        migration.sync(which, url=url)
    for which in migration.SETS:
        assert migration.differences(which, url) == []
