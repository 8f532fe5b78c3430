# SPDX-License-Identifier: Apache-2.0
"""Sites of modules that cannot share the one of all functional tests.

    site = sites.own({'fake': {'more_hosts': 'second'}}, computes=2)
"""

import pytest

from nova.tests import harness


def own(settings=None, computes=1, prepare=None):
    """The fixture `site` of a module; `admin` and `member` are then of that site.

    :param settings: on top of what a test site needs, as `harness.Cloud` takes them.
    :param computes: how many hosts must be up.
    :param prepare: function of the site, called when it is up.
    """
    @pytest.fixture(scope='module')
    def site():
        with harness.Cloud.all_in_one(settings) as cloud:
            cloud.wait_ready(computes)
            if prepare:
                prepare(cloud)
            yield cloud
            assert not cloud.tracebacks()
    return site


def make_private_network(cloud):
    cloud.manage('network', 'create', '--label', 'private', '--cidr', '10.0.0.0/24')
