# SPDX-License-Identifier: Apache-2.0
"""Versioned objects: what travels between services.

One module an object (and its list).  `objects.Instance` and the others are found by name after `register_all()`, which
every entry point calls once; there is no list to edit.
"""

import importlib
import pkgutil

from oslo_versionedobjects import base as ovo_base


def register_all():
    """Import every module of objects, so that any of them can arrive from the wire."""
    for info in pkgutil.iter_modules(__path__):
        importlib.import_module(f'{__name__}.{info.name}')


def __getattr__(name):
    if name[:1].isupper():
        classes = ovo_base.VersionedObjectRegistry.obj_classes()
        if name not in classes:
            register_all()
        if name in classes:
            globals()[name] = classes[name][0]
            return globals()[name]
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
