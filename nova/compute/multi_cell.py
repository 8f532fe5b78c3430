# SPDX-License-Identifier: Apache-2.0
"""Lists over all cells: asked in parallel, merged by the sort keys; a cell that is down is reported, not fatal."""

import functools

from nova import concurrency, exception, objects
from nova import context as nova_context
from nova.objects import cell as cell_obj


def list_servers(context, filters, limit, marker, sort_keys, sort_dirs, with_, columns):
    """(servers in order, [cell that did not answer, …]).  Raises MarkerNotFound, InvalidSortKey, InvalidInput."""
    cells = objects.CellMappingList.to_ask(context)

    def ask(cell, sort_keys=sort_keys, marker=marker):
        with nova_context.target_cell(context, cell) as in_cell:
            return objects.InstanceList.get_by_filters(in_cell, dict(filters), sort_keys, sort_dirs, limit, marker,
                                                       with_, columns).objects

    if len(cells) == 1:
        return ask(cells[0]), []
    keys, dirs = _sorting(sort_keys, sort_dirs)
    if columns is not None:
        columns = sorted({*columns, *keys})
    position = _position(context, marker, keys, dirs, filters.get('project_id')) if marker is not None else None
    return _merge([(cell, concurrency.spawn(ask, cell, keys, position)) for cell in cells], limit, keys, dirs)


def _sorting(sort_keys, sort_dirs):
    """Keys and directions of the same length; numbers differ between cells, so the last key is the UUID."""
    keys = [*(sort_keys or ['created_at']), 'uuid']
    dirs = list(sort_dirs or ['desc'])
    return keys, dirs + [dirs[0]] * (len(keys) - len(dirs))


def _position(context, marker, keys, dirs, project_id):
    def ask(in_cell):
        try:
            return objects.InstanceList.position_of(in_cell, marker, keys, dirs, project_id)
        except exception.MarkerNotFound:
            return None

    # A server that is deleted may be a marker, and has no mapping any more: any cell may have it.
    answers, _down = cell_obj.ask_each(context, ask)
    found = next((position for _cell, position in answers if position is not None), None)
    if found is None:
        raise exception.MarkerNotFound(marker=marker)
    return found


def _merge(asked, limit, keys, dirs):
    answers, down = cell_obj.gather(asked)
    # One that is just given to a cell may be seen twice; the configured database, where it goes, is asked first.
    servers = list({server.uuid: server for _cell, found in answers for server in found}.values())
    # Stable sorts, the least important key first.
    for key, direction in reversed(list(zip(keys, dirs, strict=True))):
        servers.sort(key=functools.partial(_sortable, key), reverse=direction == 'desc')
    return servers[:limit] if limit is not None else servers, down


def _sortable(key, server):
    value = getattr(server, key)
    return (value is not None, value)
