# SPDX-License-Identifier: Apache-2.0
"""Tables of the cell: migrations, and rows of what was deleted."""

from nova.cmd.manage.arguments import arg
from nova.db import archive, migration

WHICH = 'main'


@arg('version', nargs='?', help='revision; the newest unless given')
def sync(context, version=None):
    """Bring the tables to the newest revision, or the one given."""
    migration.sync(WHICH, version)


def version(context):
    """Print the revision the tables are at."""
    return str(migration.version(WHICH))


@arg('--max_rows', type=int, default=1000, help='servers of one batch')
@arg('--before', help='only what was deleted before this date (YYYY-MM-DD)')
@arg('--until-complete', action='store_true', help='go on until nothing is left')
@arg('--purge', action='store_true', help='and remove for good what was archived')
def archive_deleted_rows(context, max_rows, before, until_complete, purge):
    """Move rows of deleted things into the shadow tables; status 3 when more is left."""
    moved, left = archive.archive(context, max_rows, before, until_complete)
    if purge:
        archive.purge(context, before)
    rows = [{'table': table, 'rows': count} for table, count in sorted(moved.items())]
    if left:
        return 3
    return rows


@arg('--before', help='only what was deleted before this date (YYYY-MM-DD)')
@arg('--all', action='store_true', dest='everything', help='whatever its age')
def purge(context, before, everything):
    """Remove archived rows for good."""
    if not before and not everything:
        return 2
    return [{'table': table, 'rows': count} for table, count in sorted(archive.purge(context, before).items())]


COMMANDS = {'sync': sync, 'version': version, 'archive_deleted_rows': archive_deleted_rows, 'purge': purge}
