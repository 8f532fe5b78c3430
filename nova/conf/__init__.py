# SPDX-License-Identifier: Apache-2.0
"""Every option of the project.

One module a group.  A module says `OPTS = [...]`, and `GROUP = cfg.OptGroup(...)` unless its options are in
`[DEFAULT]`; that is all it takes to be registered, sampled and documented.  Options whose declarations are expensive to
load are those of its function `late_opts`; who reads them calls `register_late` first.
"""

import importlib
import pkgutil

from oslo_config import cfg

CONF = cfg.CONF


def modules():
    """Every module of options, by name."""
    for info in sorted(pkgutil.iter_modules(__path__), key=lambda info: info.name):
        if info.name != 'opts':
            yield importlib.import_module(f'{__name__}.{info.name}')


def register(conf):
    """Register all options on `conf`.  Doing so again changes nothing."""
    for module in modules():
        group = getattr(module, 'GROUP', None)
        if group is not None:
            conf.register_group(group)
        conf.register_opts(module.OPTS, group=group)


def register_late(conf, name):
    """Register the `late_opts` of the module of options with this name.  Doing so again changes nothing."""
    module = importlib.import_module(f'{__name__}.{name}')
    conf.register_opts(module.late_opts(), group=module.GROUP)


register(CONF)
