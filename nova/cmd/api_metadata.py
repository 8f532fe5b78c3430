# SPDX-License-Identifier: Apache-2.0
"""nova-api-metadata: the metadata service alone."""

from nova import concurrency

concurrency.monkey_patch()

from nova import service  # noqa: E402  (everything below must be imported patched)
from nova.cmd import common  # noqa: E402


def main():
    return common.run('nova-api-metadata', lambda: [service.WSGIService('metadata')])
