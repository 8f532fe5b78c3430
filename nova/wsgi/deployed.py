# SPDX-License-Identifier: Apache-2.0
"""Our APIs inside a foreign WSGI server: configuration, logs, messages, then the application.

The foreign server decides about processes and threads, so nothing is patched and nothing forks here.
"""

import os

from nova import config, objects, rpc
from nova.conf import CONF
from nova.monitoring import health, metrics
from nova.wsgi import checks, server


def application(name):
    """The application `name` of the paste file.  Exits when an option is wrong."""
    files = [path for path in os.environ.get('OS_NOVA_CONFIG_FILES', '').split(';') if path] or None
    rpc.register_options(CONF)
    config.parse_args([name], default_config_files=files)
    objects.register_all()
    rpc.init(CONF)
    metrics.setup()
    health.register('database', checks.database)
    return server.load_app(name)
