# SPDX-License-Identifier: Apache-2.0
"""Making the claims for what was chosen: one transaction for all servers of a request, in each cell."""

import collections

from nova import context as nova_context
from nova import objects


def make(context, choices, amounts, migration_uuid='', group=None, limits_of=lambda host: None):
    """Claim for each server what it needs on the host chosen for it.

    :param choices: {instance uuid: HostState}.
    :param amounts: what each of them needs, `nova.scheduler.request.Amounts`.
    :param group: what must hold for the server group, see `nova.scheduler.groups.guard`.
    :param limits_of: `Selector.claim_limits`.
    :returns: the uuids of those that have their claim now; the hosts of the others are full, or gone.
    """
    by_cell = collections.defaultdict(dict)
    cells = {}
    for uuid, host in choices.items():
        key = host.cell.uuid if host.cell is not None else None
        cells[key] = host.cell
        by_cell[key][uuid] = host
    made = set()
    for key, chosen in by_cell.items():
        with nova_context.target_cell(context, cells[key]) as cell_context:
            made |= {uuid for uuid, _migration in objects.Claim.make(cell_context, [
                {'instance_uuid': uuid, 'compute_node_id': host.compute_node_id, 'host': host.host,
                 'node': host.nodename, 'migration_uuid': migration_uuid, 'limits': limits_of(host),
                 **amounts._asdict()} for uuid, host in chosen.items()], group)}
    return made


def release(context, choices, migration_uuid=''):
    """Give back what `make` claimed: {instance uuid: HostState}."""
    for uuid, host in choices.items():
        with nova_context.target_cell(context, host.cell) as cell_context:
            objects.Claim.release(cell_context, uuid, migration_uuid)


def release_unplaced(context, instance_uuids):
    """Give back what servers that no host has taken still hold, from a try that was cut off; returns how many."""
    count = 0
    for cell in objects.CellMappingList.to_ask(context):
        with nova_context.target_cell(context, cell) as cell_context:
            count += objects.Claim.release_unplaced(cell_context, instance_uuids)
    return count
