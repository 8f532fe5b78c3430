# SPDX-License-Identifier: Apache-2.0
"""nova-manage: what operators do on the command line.

One module a category (`db`, `cell_v2`, `flavor`, …), found by being here.  A category has `COMMANDS`: {name: function},
and each function declares its arguments with `@arg`.  It returns rows (a list of dicts: a table), a dict (one thing), a
text, or an exit status.
"""

import argparse
import importlib
import logging
import pkgutil
import sys

from nova import concurrency

# Before anything else: what is imported below blocks greenly.
concurrency.monkey_patch()

from nova import config, exception, objects, rpc  # noqa: E402  (patched first)
from nova import context as nova_context  # noqa: E402
from nova.cmd.manage import output  # noqa: E402
from nova.conf import CONF  # noqa: E402

#: Modules here that are no categories.
_NO_CATEGORIES = ('output', 'arguments')


def _names():
    return [info.name for info in pkgutil.iter_modules(__path__) if info.name not in _NO_CATEGORIES]


def categories():
    """{category as typed: module}"""
    return {name: importlib.import_module(f'{__name__}.{name}') for name in _names()}


def _only(words):
    """The category that the words of a command name; None if they ask for something else first (--help)."""
    rest = iter(words)
    for word in rest:
        if word in ('--config-file', '--config-dir'):
            next(rest, None)
        elif word in ('-h', '--help'):
            return None
        elif not word.startswith('-'):
            return word if word in _names() else None
    return None


def parser(words=()):
    """The parser of all commands, or only of those of the category that the words name: loading all takes a second."""
    only = _only(words)
    modules = {only: importlib.import_module(f'{__name__}.{only}')} if only else categories()
    top = argparse.ArgumentParser(prog='nova-manage', description='Manage a compute service.',
                                  epilog='Exit status: 0 done, 1 not possible, 2 wrong arguments, 3 something is left.')
    top.add_argument('--config-file', action='append', default=[], help='configuration file; may be repeated')
    top.add_argument('--config-dir', action='append', default=[], help='directory of configuration files')
    top.add_argument('--debug', action='store_true', help='log what is done')
    shelves = top.add_subparsers(dest='category', metavar='CATEGORY', required=True)
    for name, module in modules.items():
        shelf = shelves.add_parser(name, help=module.__doc__.splitlines()[0], description=module.__doc__)
        commands = shelf.add_subparsers(dest='command', metavar='COMMAND', required=True)
        for command, function in module.COMMANDS.items():
            entry = commands.add_parser(command, help=function.__doc__.splitlines()[0], description=function.__doc__)
            entry.add_argument('-f', '--format', choices=output.FORMATS, default='table', help='how to print')
            entry.add_argument('-c', '--column', action='append', default=[], help='print only this column')
            for flags, settings in getattr(function, 'arguments', ()):
                entry.add_argument(*flags, **settings)
            entry.set_defaults(function=function)
    return top


def main(argv=None):
    argv = sys.argv[1:] if argv is None else argv
    args = parser(argv).parse_args(argv)
    rpc.register_options(CONF)
    words = ['nova-manage', *(f'--config-file={path}' for path in args.config_file),
             *(f'--config-dir={path}' for path in args.config_dir)]
    config.parse_args([*words, *(['--debug'] if args.debug else [])])
    if not args.debug:
        # Whoever types a command reads its answer; daemons read the same file, and say more.
        logging.getLogger().setLevel(logging.WARNING)
    objects.register_all()
    given = {name: value for name, value in vars(args).items() if name not in (
        'config_file', 'config_dir', 'debug', 'category', 'command', 'format', 'column', 'function')}
    try:
        answer = args.function(nova_context.get_admin_context(), **given)
    except exception.NovaException as error:
        print(f'nova-manage: {error}', file=sys.stderr)
        return 1
    except Exception as error:
        # The log may be a file; whoever typed the command looks at the terminal.
        logging.getLogger(__name__).exception('The command failed')
        print(f'nova-manage: {type(error).__name__}: {error} (more is in the log)', file=sys.stderr)
        return 255
    if isinstance(answer, int) and not isinstance(answer, bool):
        return answer
    output.show(answer, args.format, args.column)
    return 3 if isinstance(answer, output.Left) else 0
