# SPDX-License-Identifier: Apache-2.0
"""Servers: lists, one server, creating, changing, deleting, and what may be done with one.  (/servers)"""

import importlib
import pkgutil

# Each module here declares routes of its own.
for _info in pkgutil.iter_modules(__path__):
    importlib.import_module(f'{__name__}.{_info.name}')
