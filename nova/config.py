# SPDX-License-Identifier: Apache-2.0
"""From a command line and files to options and logs.

A wrong value stops the command here, with one line that names the option, and not hours later where it is first used.
"""

import importlib.metadata
import sys

from oslo_config import cfg
from oslo_log import log

from nova.conf import CONF

PROJECT = 'nova'

#: Libraries that say too much at the level that we want of ourselves.
LOG_LEVELS = ['amqp=WARN', 'amqplib=WARN', 'oslo_messaging=INFO', 'oslo.messaging=INFO', 'oslo_service=INFO',
              'oslo_policy=INFO', 'oslo_concurrency=INFO', 'sqlalchemy=WARN', 'suds=INFO', 'iso8601=WARN',
              'requests.packages.urllib3.connectionpool=WARN', 'urllib3.connectionpool=WARN', 'websocket=WARN',
              'keystonemiddleware=WARN', 'keystoneauth=WARN', 'stevedore=WARN', 'routes.middleware=WARN',
              'dogpile.core.dogpile=INFO', 'glanceclient=WARN', 'privsep.daemon=INFO', 'alembic=WARN', 'eventlet=WARN']


def version():
    """The version of this installation; '0' in a tree that was never installed."""
    try:
        return importlib.metadata.version(PROJECT)
    except importlib.metadata.PackageNotFoundError:
        return '0'


def parse_args(argv, default_config_files=None, validate=True):
    """Read the options of a command (`argv` with the command's name first) and set up its logs.

    Exits with status 1 and one line on stderr when an option is wrong.  Logs go to stderr or where log_file says, as
    text, or as JSON with `use_json`.
    """
    log.set_defaults(default_log_levels=LOG_LEVELS)
    if not hasattr(CONF, 'use_json'):
        log.register_options(CONF)
    try:
        CONF(argv[1:], project=PROJECT, version=version(), default_config_files=default_config_files)
        if validate:
            check_values(CONF)
    except cfg.Error as error:
        sys.stderr.write(f'{argv[0]}: {_one_line(error)}\n')
        sys.exit(1)
    if not (CONF.log_file or CONF.log_dir or CONF.use_journal):
        # Not on stdout, where a command's answer is.
        CONF.set_default('use_stderr', True)
    log.setup(CONF, PROJECT, version())


def check_values(conf):
    """Look at every option once.  Raises cfg.Error naming the first whose value is not allowed."""
    for group, name in _all_options(conf):
        try:
            _ = conf[group][name] if group else conf[name]
        except cfg.NoSuchOptError:
            continue
        except (cfg.Error, ValueError) as error:
            raise cfg.Error(f'[{group or "DEFAULT"}]{name}: {_one_line(error)}') from error


def _all_options(conf):
    """(group or None, option) of everything registered."""
    # Reading a name to learn whether it is a group would raise for just the values that are looked for here.
    groups = {group for group in conf if group in conf._groups}
    for name in list(conf):
        if name not in groups:
            yield None, name
    for group in sorted(groups):
        for name in list(conf[group]):
            yield group, name


def _one_line(error):
    return ' '.join(str(error).split())


def reload_logging():
    """Read the options again that may change while running, among them the log levels.  Never raises."""
    try:
        CONF.mutate_config_files()
    except cfg.Error as error:
        log.getLogger(__name__).error('Configuration not reloaded: %s', _one_line(error))
