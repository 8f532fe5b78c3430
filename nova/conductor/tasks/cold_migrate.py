# SPDX-License-Identifier: Apache-2.0
"""Choosing the host that a server moves to while it is off: resize and cold migration."""

from nova import objects
from nova.compute.operations import carries_out
from nova.conductor.tasks import destination
from nova.conf import CONF


@carries_out('cold_migrate', 'cold_migrate')
def cold_migrate(op):
    """Claim the new size on a host and hand the order to it.  What fails here has changed nothing."""
    op.failure_state = None
    migration = destination.migration_of(op)
    op.undo(destination.give_up_resize, op, migration)
    spec = destination.spec_of(op, objects.Flavor.from_row(op.context, migration.new_flavor))
    if op.args.get('host'):
        destination.lead_to(spec, op.args['host'])
    elif not (CONF.allow_resize_to_same_host and migration.migration_type == 'resize'):
        spec.ignore_hosts = [migration.source_compute]
    chosen = op.host.scheduler_rpcapi.select_destinations(op.context, spec, [op.instance.uuid],
                                                          migration_uuid=migration.uuid)[0][0]
    destination.chose(migration, chosen)
    op.hand_over('nova-compute', chosen.host, 'prep_resize', details=f'Chose {chosen.host}')
    op.host.compute_rpcapi.ring(op.context, chosen.host, 'prep_resize', op.action.id)
