# SPDX-License-Identifier: Apache-2.0
"""Choosing a host for a server that was offloaded."""

from nova import objects
from nova.compute.operations import carries_out
from nova.conductor.tasks import destination


@carries_out('unshelve_instance')
def unshelve(op):
    """Claim a host and hand the order to it; the server stays offloaded if there is none."""
    spec = destination.spec_of(op)
    if op.args.get('host'):
        destination.lead_to(spec, op.args['host'])
    # Should we lose the order to another conductor, what it has claimed stays: the server has a host then.
    op.undo(objects.Claim.release_unplaced, op.context, [op.instance.uuid])
    chosen = op.host.scheduler_rpcapi.select_destinations(op.context, spec, [op.instance.uuid])[0][0]
    values = {'host': chosen.host, 'node': chosen.node, 'compute_id': chosen.compute_node_id,
              'availability_zone': chosen.availability_zone, 'placement': chosen.placement}
    op.hand_over('nova-compute', chosen.host, 'unshelve_instance', details=f'Chose {chosen.host}',
                 values=values)
    op.host.compute_rpcapi.ring(op.context, chosen.host, 'unshelve_instance', op.action.id)
