# SPDX-License-Identifier: Apache-2.0
"""nova-conductor: orchestrates, and serves objects to hosts."""

from nova import concurrency

concurrency.monkey_patch()

from nova import service  # noqa: E402  (everything below must be imported patched)
from nova.cmd import common  # noqa: E402


def main():
    return common.run('nova-conductor', lambda: [service.Service.create('nova-conductor')])
