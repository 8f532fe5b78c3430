# SPDX-License-Identifier: Apache-2.0
"""What tests of real networks need: root, network namespaces, dnsmasq, nft and busybox."""

import os
import shutil

import pytest

from nova.tests.integration.network import namespaces

_NEEDED = ('ip', 'nft', 'dnsmasq', 'busybox', 'ping', 'ss')


@pytest.fixture(scope='session', autouse=True)
def needs():
    missing = [command for command in _NEEDED if not shutil.which(command)] + (['root'] if os.geteuid() else [])
    if missing:
        message = f'real networks need {", ".join(missing)}'
        if os.environ.get('CI'):
            pytest.fail(message)
        pytest.skip(message)


@pytest.fixture
def site():
    with namespaces.Site() as found:
        yield found
