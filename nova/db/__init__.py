# SPDX-License-Identifier: Apache-2.0
"""The two databases.

`nova.db.main` has the tables of a cell, `nova.db.api` the global ones; each module there is one family of tables with
its reads and writes.  Importing `nova.db` imports no SQLAlchemy: daemons on hosts have no database and load the
objects all the same.  A family is imported when its name is first used: `db.instances.by_uuid(conn, ...)`.
"""

import importlib
import pkgutil

_PLACES = ('', 'main.', 'api.')


def __getattr__(name):
    if not name.startswith('_'):
        for place in _PLACES:
            full = f'{__name__}.{place}{name}'
            try:
                module = importlib.import_module(full)
            except ModuleNotFoundError as exc:
                if exc.name != full:
                    raise
                continue
            globals()[name] = module
            return module
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')


def families(package):
    """Import and return every table family of 'main' or 'api'."""
    parent = importlib.import_module(f'{__name__}.{package}')
    return [importlib.import_module(f'{parent.__name__}.{info.name}') for info in pkgutil.iter_modules(parent.__path__)
            if info.name != 'migrations']
