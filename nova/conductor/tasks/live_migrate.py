# SPDX-License-Identifier: Apache-2.0
"""Choosing the host that a running server moves to."""

from oslo_log import log
from oslo_messaging import MessagingTimeout

from nova import exception, objects
from nova.compute.operations import carries_out
from nova.conductor.tasks import destination

LOG = log.getLogger(__name__)
#: On how many hosts it is tried.
_TRIES = 3


@carries_out('live_migrate_instance', 'conductor_live_migrate_instance')
def live_migrate(op):
    """Claim a host that both sides agree on, and hand the order to the source.  What fails here has changed nothing."""
    migration = destination.migration_of(op)
    op.undo(destination.give_up, migration)
    wanted, refused = op.args.get('host'), []
    for _try in range(1 if wanted else _TRIES):
        try:
            chosen = _choose(op, migration, wanted, refused)
        except exception.NoValidHost:
            if not refused:
                raise
            break       # the reasons of those that were asked say more
        try:
            migrate_data = op.host.compute_rpcapi.check_can_live_migrate_destination(
                op.context, op.instance, chosen.host, op.args.get('block_migration'), op.args.get('disk_over_commit'))
        except (exception.Invalid, exception.Unsupported, exception.Conflict, MessagingTimeout) as exc:
            objects.Claim.release(op.context, op.instance.uuid, migration.uuid)
            why = 'no sign of life' if isinstance(exc, MessagingTimeout) else exc
            refused.append(f'{chosen.host}: {why}')
            LOG.info('Server %s cannot be live migrated to %s: %s', op.instance.uuid, chosen.host, why)
            continue
        destination.chose(migration, chosen)
        migration.change({'status': 'queued'}, ['accepted', 'queued'])
        op.hand_over('nova-compute', migration.source_compute, 'live_migration', details=f'Chose {chosen.host}',
                     args={**op.args, 'migrate_data': migrate_data, 'tried': refused})
        op.host.compute_rpcapi.ring(op.context, migration.source_compute, 'live_migration', op.action.id)
        return
    raise exception.MigrationPreCheckError(reason='; '.join(refused))


def _choose(op, migration, wanted, refused):
    spec = destination.spec_of(op)
    if wanted and op.args.get('force'):
        spec.force_hosts = [wanted]
    elif wanted:
        destination.lead_to(spec, wanted)
    spec.ignore_hosts = [migration.source_compute, *(text.split(':')[0] for text in refused)]
    return op.host.scheduler_rpcapi.select_destinations(op.context, spec, [op.instance.uuid],
                                                        migration_uuid=migration.uuid)[0][0]
