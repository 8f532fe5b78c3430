# SPDX-License-Identifier: Apache-2.0
"""A database of one's own in a test, and rows in it."""

import contextlib
import functools
import pathlib
import secrets

import sqlalchemy as sa
from oslo_utils import uuidutils

from nova import context as nova_context
from nova import db, objects
from nova.compute import create
from nova.conf import CONF
from nova.db import session
from nova.objects import cell


@functools.cache
def _empty():
    """The bytes of a SQLite database with all tables, made from the models."""
    with sa.create_engine('sqlite://').begin() as conn:
        make_tables(conn)
        return conn.connection.driver_connection.serialize()


def make_tables(bind):
    """Make all tables, of both sets, with an engine or a connection."""
    bases = {family.base.Base for package in ('main', 'api') for family in db.families(package)
             if hasattr(family, 'base')}
    for base in bases:
        base.metadata.create_all(bind)


def make_file(path):
    """Make a SQLite database with all tables and nothing in them."""
    path.write_bytes(_empty())


@contextlib.contextmanager
def database(directory):
    """The configured database, SQLite by default, with all tables and what was in it; yields its URL."""
    objects.register_all()
    CONF.set_override('state_path', str(directory))
    url = session.main_url()
    try:
        file = pathlib.Path(sa.make_url(url).database)
        if not url.startswith('sqlite'):
            make_tables(session.engine(url))
        elif not file.exists():     # another process of the test may have made it
            make_file(file)
        cell.forget_cache()
        yield url
    finally:
        session.dispose()
        CONF.clear_override('state_path')
        cell.forget_cache()


@contextlib.contextmanager
def on_server(server, name):
    """A database of our own on a database server, with nothing in it; its URL.

    :param server: the URL of the server.
    :param name: how the database's name begins.
    """
    url = sa.make_url(server)
    name = f'{name}_{secrets.token_hex(4)}'
    engine = sa.create_engine(url, isolation_level='AUTOCOMMIT')

    def execute(statement):
        with engine.connect() as connection:
            connection.execute(sa.text(statement))
    execute(f'CREATE DATABASE {name}')
    try:
        yield url.set(database=name).render_as_string(hide_password=False)
    finally:
        execute(f'DROP DATABASE {name}' + (' WITH (FORCE)' if url.get_backend_name() == 'postgresql' else ''))
        engine.dispose()


def empty(url):
    """Remove what is in the tables of a database.  Making them takes longer than most tests."""
    with session.engine(url).begin() as connection:
        for base in (db.api.base.Base, db.main.base.Base):
            for table in reversed(base.metadata.sorted_tables):
                connection.execute(table.delete())


def second_cell(directory, name='far'):
    """The mapping of a cell with a database of its own, made there, with all tables and nothing in them."""
    url = f'sqlite:///{directory}/{name}.sqlite'
    db.main.base.Base.metadata.create_all(session.engine(url))
    mapping = objects.CellMapping(admin(), uuid=uuidutils.generate_uuid(), name=name, database_connection=url)
    mapping.create()
    return mapping


class Statements(list):
    """The statements that ran meanwhile, transactions' begin and end not counted."""

    def __init__(self, url):
        super().__init__()
        self._engine = session.engine(url)

    def __enter__(self):
        sa.event.listen(self._engine, 'before_cursor_execute', self._note)
        return self

    def __exit__(self, *_exc):
        sa.event.remove(self._engine, 'before_cursor_execute', self._note)

    def _note(self, _conn, _cursor, statement, *_more):
        if statement != 'BEGIN':
            self.append(' '.join(statement.split()))


def admin():
    return nova_context.RequestContext('user', 'project', is_admin=True, roles=['admin'])


def member(project='project', user='user'):
    return nova_context.RequestContext(user, project, is_admin=False, roles=['member'])


def flavor(**values):
    made = objects.Flavor(admin(), **{'name': 'm1.test', 'flavorid': '1', 'memory_mb': 128, 'vcpus': 1, 'root_gb': 1,
                                      **values})
    made.create()
    return made


def servers(context=None, count=1, size=None, name='server', **values):
    """New servers as the API records them (BUILD, ordered); `values` are then written over their columns."""
    size = size or flavor()
    request = create.Request(name=name, flavor=size.flavorid, image='image', least=count, most=count)
    context = context or member()
    _effective, *limits = objects.Quotas.server_limits(context, context.project_id, context.user_id)
    image = objects.ImageMeta.from_dict({'id': 'image', 'properties': {}})
    plan = create.Plan(request, size, image, None, None, count, limits)
    made, action_ids = create.record(context, plan)
    if values:
        with session.writer(context) as conn:
            for server in made:
                db.instances.update(conn, server.uuid, values)
        made = [objects.Instance.get_by_uuid(context, server.uuid) for server in made]
    return made, action_ids


def server(context=None, **values):
    """One server that is there: ACTIVE on host h1 unless `values` say otherwise."""
    launched = db.types.utcnow()
    made, action_ids = servers(context, **{'vm_state': 'active', 'task_state': None, 'power_state': 1, 'host': 'h1',
                                           'node': 'h1', 'launched_at': launched, **values})
    context = context or member()
    with session.writer(context) as conn:
        db.actions.change(conn, action_ids[0], {'state': db.actions.DONE})
    return made[0]


