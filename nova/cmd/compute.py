# SPDX-License-Identifier: Apache-2.0
"""nova-compute: runs the servers of one host.  Has no database."""

from nova import concurrency

concurrency.monkey_patch()

from nova import service  # noqa: E402  (everything below must be imported patched)
from nova.cmd import common  # noqa: E402
from nova.conf import CONF  # noqa: E402


def services():
    """The service of this host, and of those that [fake]more_hosts adds."""
    return [service.Service.create('nova-compute', host=host) for host in (None, *CONF.fake.more_hosts)]


def main():
    return common.run('nova-compute', services, database=False)
