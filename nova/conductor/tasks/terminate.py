# SPDX-License-Identifier: Apache-2.0
"""Ending a server that no host runs: it never got one, or its host is down.

What the host still has of it is removed when the host comes back (`nova.compute.recovery`).
"""

from oslo_log import log

from nova.compute import shares, shelve, volumes
from nova.compute.operations import carries_out

LOG = log.getLogger(__name__)


@carries_out('terminate_instance')
def terminate(op):
    """Free what the records hold: addresses here, claims and the rest with the server's row."""
    op.host.network.deallocate_for_instance(op.context, op.instance)
    volumes.give_back_all(op.host, op.context, op.bdms)
    shares.leave_all(op)
    shelve.forget(op)
    op.destroys(vm_state='deleted')
    if op.instance.host:
        LOG.info('Server %s is deleted while its host %s is down; the host cleans up when it returns',
                 op.instance.uuid, op.instance.host)
