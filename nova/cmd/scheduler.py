# SPDX-License-Identifier: Apache-2.0
"""nova-scheduler: chooses hosts and claims their resources."""

from nova import concurrency

concurrency.monkey_patch()

from nova import service  # noqa: E402  (everything below must be imported patched)
from nova.cmd import common  # noqa: E402


def main():
    return common.run('nova-scheduler', lambda: [service.Service.create('nova-scheduler')])
