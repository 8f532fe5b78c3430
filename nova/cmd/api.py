# SPDX-License-Identifier: Apache-2.0
"""nova-api: the Compute API and the metadata service, both in each worker."""

from nova import concurrency

concurrency.monkey_patch()

from nova import service  # noqa: E402  (everything below must be imported patched)
from nova.cmd import common  # noqa: E402
from nova.conf import CONF  # noqa: E402


def main():
    return common.run('nova-api', lambda: [service.WSGIService(name) for name in CONF.enabled_apis])
