# SPDX-License-Identifier: Apache-2.0
"""One running site for all functional tests of a worker process: nova-all, SQLite, the fake driver, real HTTP."""

import pytest

from nova.tests import harness
from nova.tests.functional import conformance
from nova.tests.functional.coverage_recorder import pytest_runtest_logstart  # noqa: F401 (a hook of pytest)


@pytest.fixture(scope='session')
def cloud():
    with harness.Cloud.all_in_one() as site:
        yield site
        assert not site.tracebacks(), 'errors in the log'


@pytest.fixture(scope='module')
def site(cloud):
    """The site that `admin` and `member` are of; a module that needs one of its own overrides it, see `sites`."""
    return cloud


@pytest.fixture
def admin(site):
    return site.client()


@pytest.fixture
def member(site):
    return site.client('alice:project-a')


@pytest.fixture(scope='session', autouse=True)
def examined():
    """Every answer to a test is held against what its route declares."""
    harness.Client.examine = staticmethod(conformance.check)
    yield
    harness.Client.examine = None
