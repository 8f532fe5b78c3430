# SPDX-License-Identifier: Apache-2.0
"""Tables of the cell: migrations, and rows of what was deleted."""

import datetime

from nova import context as nova_context
from nova import exception, objects
from nova.cmd.manage import output
from nova.cmd.manage.arguments import arg
from nova.db import archive, migration, online

WHICH = 'main'


@arg('version', nargs='?', help='revision; the newest unless given')
def sync(context, version=None):
    """Bring the tables to the newest revision, or the one given."""
    migration.sync(WHICH, version)


def version(context):
    """Print the revision the tables are at."""
    return str(migration.version(WHICH))


@arg('--max_rows', '--max-rows', type=int, default=1000, help='servers of one batch')
@arg('--before', help='only what was deleted before this date (YYYY-MM-DD)')
@arg('--until-complete', action='store_true', help='go on until nothing is left')
@arg('--purge', action='store_true', help='and remove for good what was archived')
@arg('--all-cells', action='store_true', help='in every cell, not in the configured one only')
def archive_deleted_rows(context, max_rows, before, until_complete, purge, all_cells):
    """Move rows of deleted things into the shadow tables; status 3 when more is left."""
    if max_rows < 1:
        raise exception.InvalidInput(reason=f'--max_rows: {max_rows} is not allowed; it must be 1 or more')
    _check_date(before)
    rows, is_left = [], False
    for name, in_cell in _cells(context, all_cells):
        total = archive.deleted_servers(in_cell, before)
        with output.progress(f'servers archived{name and " in "}{name}', total) as show:
            moved, left = archive.archive(in_cell, max_rows, before, until_complete, show)
        if purge:
            archive.purge(in_cell, before)
        rows += _rows(name, moved)
        is_left = is_left or left
    return output.Left(rows) if is_left else rows


@arg('--before', help='only what was deleted before this date (YYYY-MM-DD)')
@arg('--all', action='store_true', dest='everything', help='whatever its age')
@arg('--all-cells', action='store_true', help='in every cell, not in the configured one only')
def purge(context, before, everything, all_cells):
    """Remove archived rows for good."""
    if not before and not everything:
        raise exception.InvalidInput(reason='say --before DATE, or --all')
    _check_date(before)
    rows = []
    for name, in_cell in _cells(context, all_cells):
        with output.progress(f'rows removed{name and " in "}{name}') as show:
            rows += _rows(name, archive.purge(in_cell, before, show))
    return rows


def _cells(context, all_cells):
    """[(name, context)]: of every cell, or of the configured one, which has no name then."""
    if not all_cells:
        return [('', context)]
    found = []
    for cell in objects.CellMappingList.to_ask(context):
        with nova_context.target_cell(context, cell) as in_cell:
            known = cell or objects.CellMappingList.configured(context)
            found.append((known.name if known is not None else '', in_cell))
    return found


def _rows(cell, counts):
    return [{'table': f'{cell}.{table}' if cell else table, 'rows': count} for table, count in sorted(counts.items())]


@arg('--max-count', type=int, help='rows to change at most; all unless given')
def online_data_migrations(context, max_count):
    """Change rows of older releases to how this one keeps them; status 3 when more may be left."""
    if max_count is not None and max_count < 1:
        raise exception.InvalidInput(reason=f'--max-count: {max_count} is not allowed; it must be 1 or more')
    with output.progress('rows changed') as show:
        totals = online.run(context, max_count, show)
    rows = [{'migration': name, 'found': found, 'changed': changed} for name, (found, changed) in totals.items()]
    return output.Left(rows) if max_count and sum(row['changed'] for row in rows) >= max_count else rows


def _check_date(before):
    try:
        datetime.datetime.fromisoformat(before or '2000-01-01')
    except ValueError as error:
        raise exception.InvalidInput(reason=f'--before: {before!r} is not a date (YYYY-MM-DD)') from error


COMMANDS = {'sync': sync, 'version': version, 'archive_deleted_rows': archive_deleted_rows, 'purge': purge,
            'online_data_migrations': online_data_migrations}
