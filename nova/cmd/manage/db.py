# SPDX-License-Identifier: Apache-2.0
"""Tables of the cell: migrations, and rows of what was deleted."""

import datetime

from nova import exception
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
def archive_deleted_rows(context, max_rows, before, until_complete, purge):
    """Move rows of deleted things into the shadow tables; status 3 when more is left."""
    if max_rows < 1:
        raise exception.InvalidInput(reason=f'--max_rows: {max_rows} is not allowed; it must be 1 or more')
    _check_date(before)
    with output.progress('servers archived', archive.deleted_servers(context, before)) as show:
        moved, left = archive.archive(context, max_rows, before, until_complete, show)
    if purge:
        archive.purge(context, before)
    rows = [{'table': table, 'rows': count} for table, count in sorted(moved.items())]
    return output.Left(rows) if left else rows


@arg('--before', help='only what was deleted before this date (YYYY-MM-DD)')
@arg('--all', action='store_true', dest='everything', help='whatever its age')
def purge(context, before, everything):
    """Remove archived rows for good."""
    if not before and not everything:
        raise exception.InvalidInput(reason='say --before DATE, or --all')
    _check_date(before)
    with output.progress('rows removed') as show:
        removed = archive.purge(context, before, show)
    return [{'table': table, 'rows': count} for table, count in sorted(removed.items())]


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
