# SPDX-License-Identifier: Apache-2.0
"""Where a thing is that any cell may have: hosts are mapped to their cell; of other things all cells are asked."""

from nova import context as nova_context
from nova import exception, objects


def find(context, ask):
    """What the first of the cells has; see `find_all`."""
    return find_all(context, ask)[0]


def find_all(context, ask):
    """[what a cell has, …] of the cells that have it, one at least.

    :param ask: function of the context of a cell; raises a NotFound where the cell does not have it.
    Raises that NotFound where none has it; NeighbourUnavailable where a cell that does not answer may have it.
    """
    def asked(in_cell):
        try:
            return ask(in_cell), None
        except exception.NotFound as exc:
            return None, exc

    answers, down = objects.cell.ask_each(context, asked)
    found = [thing for _cell, (thing, missing) in answers if missing is None]
    if not found and down:
        raise exception.NeighbourUnavailable(reason='the database of cell '
                                                    f'{", ".join(cell.name or cell.uuid for cell in down)} does not '
                                                    'answer, and what was asked for may be there')
    if not found:
        raise answers[0][1][1]
    return found


def service(context, host, binary='nova-compute'):
    """The record of a service.  Raises ServiceNotFound."""
    if binary != 'nova-compute':
        # Only hosts of servers are mapped.
        return find(context, lambda in_cell: objects.Service.get_by_args(in_cell, host, binary))
    with objects.cell.of_host(context, host) as in_cell:
        return objects.Service.get_by_args(in_cell, host, binary)


def by_cell(context, hosts):
    """Yields (context in a cell, those of the hosts that it has); hosts that no cell knows are the configured one's."""
    cells = objects.CellMappingList.to_ask(context)
    places = {mapping.host: mapping.cell_id for mapping in objects.HostMappingList.get_all(context)
              } if len(cells) > 1 else {}
    elsewhere = {cell.id: [] for cell in cells[1:]}
    here = []
    for host in hosts:
        elsewhere.get(places.get(host), here).append(host)
    for cell, found in zip(cells, [here, *elsewhere.values()], strict=True):
        if found:
            with nova_context.target_cell(context, cell) as in_cell:
                yield in_cell, found
