# SPDX-License-Identifier: Apache-2.0
"""nova-all: every service in one process, without a broker.  For one machine."""

from nova import concurrency

concurrency.monkey_patch()

from nova import service  # noqa: E402  (everything below must be imported patched)
from nova.cmd import common  # noqa: E402
from nova.conf import CONF  # noqa: E402

# Each finds those it asks when it starts.
_ORDER = ('network', 'conductor', 'scheduler', 'compute', 'osapi_compute', 'metadata')
_APIS = ('osapi_compute', 'metadata')


def services():
    """The services that [DEFAULT]all_services names, in the order of their start."""
    found = [service.WSGIService(name) if name in _APIS else service.Service.create(f'nova-{name}')
             for name in _ORDER if name in CONF.all_services]
    return found + [service.Service.create('nova-compute', host=host) for host in CONF.fake.more_hosts]


def main():
    return common.run('nova-all', services, transport_url='local://')
