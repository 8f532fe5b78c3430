# SPDX-License-Identifier: Apache-2.0
"""Global tables: migrations."""

from nova.cmd.manage.arguments import arg
from nova.db import migration

WHICH = 'api'


@arg('version', nargs='?', help='revision; the newest unless given')
def sync(context, version=None):
    """Bring the tables to the newest revision, or the one given."""
    migration.sync(WHICH, version)


def version(context):
    """Print the revision the tables are at."""
    return str(migration.version(WHICH))


COMMANDS = {'sync': sync, 'version': version}
