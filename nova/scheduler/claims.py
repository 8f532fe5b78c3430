# SPDX-License-Identifier: Apache-2.0
"""Making the claims for what was chosen: one transaction for all servers of a request, in each cell."""

import collections

from nova import context as nova_context
from nova import objects


def make(context, choices, migration_uuid='', group=None, limits_of=lambda host: None):
    """Claim for each server what it needs on the host chosen for it.

    :param choices: {instance uuid: a choice: its `host` (HostState) and `amounts` (`request.Amounts`)}.
    :param group: what must hold for the server group, see `nova.scheduler.groups.guard`.
    :param limits_of: `Selector.claim_limits`.
    :returns: the uuids of those that have their claim now; the hosts of the others are full, or gone.
    """
    by_cell = collections.defaultdict(dict)
    cells = {}
    for uuid, choice in choices.items():
        key = choice.host.cell_uuid
        cells[key] = choice.host.cell
        by_cell[key][uuid] = choice
    made = set()
    for key, chosen in by_cell.items():
        with nova_context.target_cell(context, cells[key]) as cell_context:
            made |= {uuid for uuid, _migration in objects.Claim.make(cell_context, [
                {'instance_uuid': uuid, 'compute_node_id': choice.host.compute_node_id, 'host': choice.host.host,
                 'node': choice.host.nodename, 'migration_uuid': migration_uuid, 'limits': limits_of(choice.host),
                 **choice.amounts._asdict()} for uuid, choice in chosen.items()], group)}
    return made


def release(context, choices, migration_uuid=''):
    """Give back what `make` claimed: {instance uuid: HostState}."""
    for uuid, host in choices.items():
        with nova_context.target_cell(context, host.cell) as cell_context:
            objects.Claim.release(cell_context, uuid, migration_uuid)


def release_unplaced(context, instance_uuids):
    """Give back what servers that no host has taken still hold, from a try that was cut off; returns how many."""
    answers, _down = objects.cell.ask_each(
        context, lambda in_cell: objects.Claim.release_unplaced(in_cell, instance_uuids))
    return sum(count for _cell, count in answers)
