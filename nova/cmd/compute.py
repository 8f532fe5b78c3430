# SPDX-License-Identifier: Apache-2.0
"""nova-compute: runs the servers of one host.  Has no database."""

from nova import concurrency

concurrency.monkey_patch()

from nova import service  # noqa: E402  (everything below must be imported patched)
from nova.cmd import common  # noqa: E402


def main():
    return common.run('nova-compute', lambda: [service.Service.create('nova-compute')], database=False)
