# SPDX-License-Identifier: Apache-2.0
"""A bed's databases and virtual hosts, at the servers that run on this machine for everybody's tests.

They are those of the integration tests (`tools/lib/services.sh`), started if they do not run.
"""

import os
import subprocess

import sqlalchemy as sa

import testbed

#: {--db: (variable with the URL of the server, function that starts it, port, query for hosts' URL)}.
#: Between a host and its gateway TLS would only cost.
_DATABASES = {
    'mysql': ('NOVA_TEST_MYSQL', 'start_mariadb', 3306, {'ssl_disabled': 'true'}),
    'postgresql': ('NOVA_TEST_POSTGRESQL', 'start_postgresql', 5432, {}),
    'sqlite': (None, None, None, {}),
}
DATABASES = tuple(_DATABASES)
_RABBIT = ('NOVA_TEST_RABBIT', 'start_rabbitmq', 5672)
_DROP = {'mysql': 'DROP DATABASE IF EXISTS {}', 'postgresql': 'DROP DATABASE IF EXISTS {} WITH (FORCE)'}


def start(database):
    """Start database and broker unless they run; {'database': URL or None, 'rabbit': URL}."""
    variable, starter, _port, _query = _DATABASES[database]
    starters = [name for name in (starter, _RABBIT[1]) if name]
    script = '\n'.join(['set -e', '. tools/lib/setup.sh', '. tools/lib/services.sh', 'exec 3>&1 >&2', *starters,
                        f'printf "%s\\n" "${{{variable or "_none"}-}}" "${_RABBIT[0]}" >&3'])
    done = subprocess.run(['bash', '-c', script], cwd=testbed.TREE, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise RuntimeError('a server that the test bed needs does not start')
    url, rabbit = done.stdout.splitlines()
    return {'database': url or None, 'rabbit': rabbit}


# Databases -----------------------------------------------------------------------------------------------------------

def database_url(server, directory, name):
    """URL of a database: at the server, or (None) a file of SQLite."""
    if server is None:
        return f'sqlite:///{directory}/{name}.sqlite'
    return sa.make_url(server).set(database=name).render_as_string(hide_password=False)


def _execute(server, statement):
    engine = sa.create_engine(server, isolation_level='AUTOCOMMIT')
    try:
        with engine.connect() as conn:
            return [row[0] for row in conn.execute(sa.text(statement))] if statement.startswith('S') else \
                conn.execute(sa.text(statement))
    finally:
        engine.dispose()


def _kind(server):
    return sa.make_url(server).get_backend_name()


def make_database(server, name):
    if server is not None:
        _execute(server, f'CREATE DATABASE {name}')


def drop_database(server, name):
    """Remove a database, and whoever is connected to it; one that is not there is not missed."""
    if server is not None:
        _execute(server, _DROP[_kind(server)].format(name))


def databases(server):
    """Names of all databases of a server."""
    if server is None:
        return []
    return _execute(server, {'mysql': 'SHOW DATABASES', 'postgresql': 'SELECT datname FROM pg_database'}[_kind(server)])


# Virtual hosts of the broker -----------------------------------------------------------------------------------------

def transport_url(rabbit, vhost):
    return f'{rabbit.rstrip("/")}/{vhost}'


def _rabbitmqctl(*words, check=True):
    done = subprocess.run(['rabbitmqctl', '-q', *words], capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise RuntimeError(f'rabbitmqctl {" ".join(words)}: {(done.stderr or done.stdout).strip()}')
    return done


def make_vhost(rabbit, name):
    _rabbitmqctl('add_vhost', name)
    _rabbitmqctl('set_permissions', '-p', name, sa.make_url(rabbit).username or 'guest', '.*', '.*', '.*')


def drop_vhost(name):
    """Remove a virtual host with all that is in it; one that is not there is not missed."""
    done = _rabbitmqctl('delete_vhost', name, check=False)
    if done.returncode and name in vhosts():
        raise RuntimeError(f'rabbitmqctl delete_vhost {name}: {(done.stderr or done.stdout).strip()}')


def vhosts():
    return _rabbitmqctl('list_vhosts', '--no-table-headers', 'name').stdout.split()


# From inside a host --------------------------------------------------------------------------------------------------

def seen_from_host(url, database, address):
    """The same server as a host reaches it, through the relay at `address`; a file of SQLite is the same everywhere.

    :param database: the kind of database, or None for the broker.
    """
    parsed = sa.make_url(url)
    if parsed.get_backend_name() == 'sqlite':
        return url
    port, query = _port_and_query(database)
    return parsed.set(host=address, port=port).update_query_dict(query).render_as_string(hide_password=False)


def relayed(url, database):
    """What the relay is to do for a server: '<port>=<host>:<port>'; None when nothing."""
    parsed = sa.make_url(url) if url else None
    if parsed is None:
        return None
    port, _query = _port_and_query(database)
    return f'{port}={parsed.host or "127.0.0.1"}:{parsed.port or port}'


def _port_and_query(database):
    return _DATABASES[database][2:] if database else (_RABBIT[2], {})


def is_root():
    return os.geteuid() == 0
