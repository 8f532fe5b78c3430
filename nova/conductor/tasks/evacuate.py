# SPDX-License-Identifier: Apache-2.0
"""Choosing the host on which a server of a dead one is made anew."""

from nova.compute.operations import carries_out
from nova.conductor.tasks import destination


@carries_out('evacuate_instance', 'conductor_evacuate_instance')
def evacuate(op):
    """Claim a host and hand the order to it."""
    op.failure_state = None     # what fails here has changed nothing
    migration = destination.migration_of(op)
    op.undo(destination.give_up, migration, 'failed')
    spec, wanted = destination.spec_of(op), op.args.get('host')
    if wanted and op.args.get('force'):
        spec.force_hosts = [wanted]
    elif wanted:
        destination.lead_to(spec, wanted)
    spec.ignore_hosts = [migration.source_compute]
    chosen = op.host.scheduler_rpcapi.select_destinations(op.context, spec, [op.instance.uuid],
                                                          migration_uuid=migration.uuid)[0][0]
    destination.chose(migration, chosen)
    migration.change({'status': 'pre-migrating'})
    op.hand_over('nova-compute', chosen.host, 'rebuild_on_other_host', details=f'Chose {chosen.host}')
    op.host.compute_rpcapi.ring(op.context, chosen.host, 'rebuild_on_other_host', op.action.id)
