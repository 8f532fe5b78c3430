# SPDX-License-Identifier: Apache-2.0
"""Migrations of the two sets of tables, each with its own record of where it is.

    python -m nova.db.migration initial              write the first revisions anew from the models (before a release)
    python -m nova.db.migration revision main "why"  write the next revision of a set, to be read and kept
"""

import importlib
import pathlib
import sys

import sqlalchemy as sa
from alembic import autogenerate, command, context
from alembic import config as alembic_config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from nova import db, exception
from nova.db import session, types

SETS = ('main', 'api')
INITIAL = '0001'


def metadata(which):
    """All tables of a set, as the models say."""
    db.families(which)
    return importlib.import_module(f'nova.db.{which}.base').Base.metadata


def url_of(which):
    return session.main_url() if which == 'main' else session.api_url()


def _config(which, url=None):
    where = pathlib.Path(__file__).parent / which / 'migrations'
    config = alembic_config.Config()
    config.set_main_option('script_location', str(where).replace('%', '%%'))
    config.attributes.update(which=which, url=url or url_of(which))
    return config


def version_table(which):
    return f'alembic_version_{which}'


def connect(url):
    """A connection of its own; the directory of a SQLite file is made."""
    parsed = sa.make_url(url)
    if parsed.get_backend_name() == 'sqlite' and parsed.database:
        pathlib.Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    return sa.create_engine(url).connect()


def sync(which, version=None, url=None):
    """Bring a set to a version, the newest unless given.  Doing it again changes nothing.

    Raises InvalidInput for a version that there is not.
    """
    try:
        command.upgrade(_config(which, url), version or 'head')
    except CommandError as exc:
        raise exception.InvalidInput(reason=f'version: {exc}') from exc


def version(which, url=None):
    """The revision a set is at; None before the first."""
    with connect(url or url_of(which)) as conn:
        return MigrationContext.configure(conn, opts={'version_table': version_table(which)}).get_current_revision()


def head(which):
    return ScriptDirectory.from_config(_config(which, 'sqlite://')).get_current_head()


def differences(which, url=None):
    """What the models have and the database has not, or the other way round; empty is right."""
    with connect(url or url_of(which)) as conn:
        compared = MigrationContext.configure(conn, opts={
            'version_table': version_table(which), 'compare_type': False,
            'include_object': lambda thing, name, kind, reflected, other: _ours(which, kind, thing)})
        return autogenerate.compare_metadata(compared, metadata(which))


def _ours(which, kind, thing):
    table = thing if kind == 'table' else getattr(thing, 'table', None)
    return table is None or table.name in metadata(which).tables


def run(config):
    """What both `env.py` do."""
    which, url = config.attributes['which'], config.attributes['url']
    with connect(url) as conn:
        context.configure(connection=conn, target_metadata=metadata(which), version_table=version_table(which),
                          include_object=lambda thing, name, kind, reflected, other: _ours(which, kind, thing))
        with context.begin_transaction():
            context.run_migrations()
        conn.commit()


# Writing revisions ---------------------------------------------------------------------------------------------------

_HEAD = '''# SPDX-License-Identifier: Apache-2.0
"""{doc}"""

import sqlalchemy as sa
from alembic import op

from nova.db import types

revision = {revision!r}
down_revision = {down!r}


def upgrade():
{body}
'''


def write_initial(which):
    """Write the first revision from the models: one explicit create_table for each."""
    lines = []
    for table in metadata(which).sorted_tables:
        lines += ['    op.create_table(', f'        {table.name!r},']
        lines += [f'        {_column(column)},' for column in table.columns]
        lines += [f'        {_constraint(constraint)},' for constraint in sorted(
            table.constraints, key=lambda one: str(one.name)) if isinstance(constraint, sa.UniqueConstraint)]
        lines += ["        mysql_engine='InnoDB', mysql_charset='utf8mb4',", '    )']
        for index in sorted(table.indexes, key=lambda one: one.name):
            columns = ', '.join(repr(column.name) for column in index.columns)
            lines.append(f'    op.create_index({index.name!r}, {table.name!r},\n'
                         f'                    [{columns}])')
    path = pathlib.Path(__file__).parent / which / 'migrations' / 'versions' / f'{INITIAL}_initial.py'
    path.write_text(_HEAD.format(doc=f'The first tables of `{which}`.', revision=INITIAL, down=None,
                                 body='\n'.join(lines)))
    return path


_TYPES = {'LONG_TEXT': 'types.LONG_TEXT', 'MOMENT': 'types.MOMENT', 'BIG_ID': 'types.BIG_ID'}


def _type(kind):
    for name, spelled in _TYPES.items():
        if kind is getattr(types, name):
            return spelled
    if isinstance(kind, types.Json):
        return 'types.Json()'
    if isinstance(kind, sa.DateTime):
        return 'types.MOMENT'
    if isinstance(kind, sa.Text):
        return 'types.LONG_TEXT'
    if isinstance(kind, sa.BigInteger):
        return 'types.BIG_ID' if kind._variant_mapping else 'sa.BigInteger()'
    if isinstance(kind, sa.String):
        return f'sa.String({kind.length})'
    if isinstance(kind, sa.Float):
        return f'sa.Float({kind.precision})' if kind.precision else 'sa.Float()'
    return f'sa.{type(kind).__name__}()'


def _column(column):
    words = [repr(column.name), _type(column.type)]
    if column.primary_key:
        words.append('primary_key=True')
    elif not column.nullable:
        words.append('nullable=False')
    if column.server_default is not None:
        words.append(f'server_default={column.server_default.arg!r}')
    return f'sa.Column({", ".join(words)})'


def _constraint(constraint):
    columns = ', '.join(repr(column.name) for column in constraint.columns)
    text = f'sa.UniqueConstraint({columns}, name={constraint.name!r})'
    return text if len(text) < 110 else text.replace(', name=', ',\n                            name=')


def main(argv=None):
    words = argv or sys.argv[1:]
    if words == ['initial']:
        for which in SETS:
            print(write_initial(which))     # noqa: T201  a developer's command
        return 0
    if len(words) == 3 and words[0] == 'revision' and words[1] in SETS:
        command.revision(_config(words[1]), message=words[2], autogenerate=True)
        return 0
    print(__doc__)      # noqa: T201
    return 2


if __name__ == '__main__':
    sys.exit(main())
