# SPDX-License-Identifier: Apache-2.0
"""Connections and transactions.

The caller that knows the unit of work opens the transaction (`with writer(context) as conn`), query functions take the
connection.  Inside a transaction of the same context and database, another `reader` or `writer` joins it.  Which
database is meant comes from the context: `context.cell` for cell tables, the configuration otherwise.
"""

import contextlib
import functools
import time

import sqlalchemy as sa
from oslo_db import api as oslo_db_api
from oslo_db import options as db_options
from oslo_db.sqlalchemy import enginefacade

from nova import concurrency
from nova.conf import CONF
from nova.monitoring import metrics

db_options.set_defaults(CONF)

#: Units of work that may be run again after a deadlock or a lost connection carry this decorator.
retried = oslo_db_api.wrap_db_retry(max_retries=8, retry_interval=0.05, inc_retry_interval=True, max_retry_interval=3,
                                    retry_on_disconnect=True, retry_on_deadlock=True, jitter=True)

_managers = {}


def _url(connection=None):
    if connection is None:
        connection = CONF.database.connection
    if not connection:
        connection = f'sqlite:///{CONF.state_path}/nova.sqlite'
    return connection


def api_url():
    """Where the global tables live: [api_database]connection, or with the cell's."""
    return _url(CONF.api_database.connection or None)


def main_url(context=None):
    """Where the tables of the context's cell live."""
    cell = context.cell if context is not None else None
    return _url(cell.database_connection if cell is not None else None)


@functools.lru_cache
def _place(url):
    """What a URL says about where the tables are; who connects, and how, is left out."""
    parsed = sa.engine.make_url(url)
    host = '127.0.0.1' if parsed.host == 'localhost' else parsed.host
    return parsed.get_backend_name(), host, parsed.port or _PORTS.get(parsed.get_backend_name()), parsed.database


_PORTS = {'mysql': 3306, 'mariadb': 3306, 'postgresql': 5432}


def is_main(connection):
    """Whether a database URL is about the tables of the cell that this process is configured for."""
    return _place(connection) == _place(main_url())


def _without_needless_tls(url):
    """The URL with TLS off for a MySQL server on this machine, unless it says something about TLS itself.

    PyMySQL offers TLS by default, and loads all of the system's certificates for each connection: 15 ms of CPU to
    protect bytes that never leave the machine.
    """
    parsed = sa.engine.make_url(url)
    local = parsed.host in (None, '', 'localhost', '::1') or parsed.host.startswith('127.')
    if parsed.drivername != 'mysql+pymysql' or not local or any(name.startswith('ssl') for name in parsed.query):
        return url
    return parsed.update_query_dict({'ssl_disabled': 'true'}).render_as_string(hide_password=False)


#: Seconds after which a pooled connection is asked whether it still works before it is used again.
_FRESH_S = 1.0


def _keep_connections(engine):
    """Replace the engine's pool by one that costs fewer round trips.

    oslo.db pings at each checkout, and SQLAlchemy rolls back at each return: three round trips more for a transaction
    of one.  Here a connection that was just used is believed to work (a unit of work that finds it broken is
    `retried`), and nothing is rolled back at return, since `_transaction` has ended it in any case.  For SQLite oslo.db
    opens a connection for each transaction, which takes longer than most statements.
    """
    old, settings = engine.pool, CONF.database
    size, overflow = settings.max_pool_size or 5, settings.max_overflow
    if engine.dialect.name == 'sqlite':
        size, overflow = 5, 50
    engine.pool = sa.pool.QueuePool(
        old._creator, pool_size=size, max_overflow=overflow, timeout=settings.pool_timeout or 30, use_lifo=True,
        recycle=settings.connection_recycle_time, reset_on_return=None, pre_ping=False, _dispatch=old.dispatch,
        dialect=old._dialect)
    old.dispose()
    if engine.dialect.name == 'sqlite':
        return

    @sa.event.listens_for(engine, 'checkout')
    def checked_out(dbapi_connection, record, proxy):
        if time.monotonic() - record.info.get('used_at', 0.0) > _FRESH_S:
            try:
                engine.dialect.do_ping(dbapi_connection)
            except engine.dialect.loaded_dbapi.Error as exc:
                # The pool opens another one.
                raise sa.exc.DisconnectionError from exc

    @sa.event.listens_for(engine, 'checkin')
    def checked_in(dbapi_connection, record):
        record.info['used_at'] = time.monotonic()


def _on_connect(engine):
    name = engine.dialect.name
    _keep_connections(engine)
    if name == 'sqlite':
        # Readers do not wait for the one writer.
        @sa.event.listens_for(engine, 'connect')
        def connected(dbapi_connection, record):
            dbapi_connection.execute('PRAGMA journal_mode = WAL')
            dbapi_connection.execute('PRAGMA synchronous = NORMAL')
            dbapi_connection.execute('PRAGMA busy_timeout = 10000')
    elif name in ('mysql', 'mariadb'):
        _on_connect_to_mysql(engine)

    @sa.event.listens_for(engine, 'before_cursor_execute')
    def count(conn, cursor, statement, parameters, context, executemany):
        metrics.db_query()
        conn.info['asked_at'] = time.perf_counter()

    @sa.event.listens_for(engine, 'after_cursor_execute')
    def measure(conn, cursor, statement, parameters, context, executemany):
        metrics.DB_SECONDS.observe(time.perf_counter() - conn.info['asked_at'])


def _on_connect_to_mysql(engine):
    # Guards are in the WHERE of each write; gap locks would only add deadlocks.  As each statement then sees what was
    # committed before it, a transaction that only reads is the same as none, and saves the round trip that ends it.
    from pymysql.constants import SERVER_STATUS  # a large package that sites with other databases do not need

    @sa.event.listens_for(engine, 'connect')
    def connected(dbapi_connection, record):
        with dbapi_connection.cursor() as cursor:
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
        dbapi_connection.autocommit(True)

    @sa.event.listens_for(engine, 'begin')
    def begin(conn):
        if not conn.info.get('only_reads'):
            conn.connection.driver_connection.begin()

    def roll_back(dbapi_connection):
        if dbapi_connection.server_status & SERVER_STATUS.SERVER_STATUS_IN_TRANS:
            dbapi_connection.rollback()
    engine.dialect.do_rollback = roll_back


def engine(url):
    """The engine of a database; one per process and URL."""
    manager = _managers.get(url)
    if manager is None:
        manager = enginefacade.transaction_context()
        settings = CONF.database
        # Our own tables are waited for; those of another cell are not, when it is away.
        retries = settings.max_retries if url in (main_url(), api_url()) else 0
        manager.configure(connection=_without_needless_tls(url), sqlite_fk=False, max_retries=retries,
                          retry_interval=settings.retry_interval, mysql_sql_mode=settings.mysql_sql_mode,
                          thread_checkin=False)
        manager.append_on_engine_create(_on_connect)
        _managers[url] = manager
    return manager.writer.get_engine()


def dispose():
    """Forget all engines (after a fork, between tests)."""
    for manager in _managers.values():
        manager.dispose_pool()  # connects to nothing, so that a database that is away does not stand in the way
    _managers.clear()


@contextlib.contextmanager
def _transaction(context, url, writing):
    current = context.db_transactions.get(url)
    if current is not None:
        conn, may_write = current
        if writing and not may_write:
            raise RuntimeError('a writer was asked for inside a reader of the same context')
        yield conn
        return
    target = engine(url)
    with contextlib.ExitStack() as stack:
        alone = writing and target.dialect.name == 'sqlite'
        if alone:
            # Waiting inside SQLite would stop every other greenthread of the process, the lock's owner included.
            stack.enter_context(concurrency.lock(f'sqlite {url}'))
        conn = stack.enter_context(target.connect())
        if alone:
            # oslo.db says BEGIN unless this marker is set; a writer that only said BEGIN could lose its turn half way.
            conn.connection.driver_connection.execute('BEGIN IMMEDIATE')
            conn.info['in_transaction'] = True
        # Kept at hand: a connection that broke does not give it any more.
        info = conn.info
        info['only_reads'] = not writing
        transaction = conn.begin()
        context.db_transactions[url] = (conn, writing)
        stack.callback(context.db_transactions.pop, url, None)
        try:
            yield conn
            if writing:
                transaction.commit()
        finally:
            info.pop('only_reads', None)
            # Rolls back what was not committed; closing the connection after it would ask the server once more.
            transaction.close()


def reader(context):
    """A transaction that reads the tables of the context's cell."""
    return _transaction(context, main_url(context), writing=False)


def writer(context):
    """A transaction that writes the tables of the context's cell; rolled back if the block raises."""
    return _transaction(context, main_url(context), writing=True)


def api_reader(context):
    """A transaction that reads the global tables."""
    return _transaction(context, api_url(), writing=False)


def api_writer(context):
    """A transaction that writes the global tables."""
    return _transaction(context, api_url(), writing=True)
