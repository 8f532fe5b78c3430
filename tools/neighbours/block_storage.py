# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E402  everything after the first import is to be green
"""block_storage.py PORT CINDER_CONF: the API, the scheduler and the volume service of Cinder in one process.

They talk to each other in memory, so that no broker is needed.
"""

from cinder import monkey_patch

monkey_patch.patch()

# isort: split
import sys

import eventlet.wsgi  # noqa: TID251  what Cinder itself runs on
import os_brick
from cinder import coordination, objects, privsep, rpc, service, version
from cinder.common import config, constants
from os_brick import privileged
from oslo_config import cfg
from oslo_log import log as logging
from oslo_service import wsgi

CONF = cfg.CONF


def main():
    port, settings = sys.argv[1:]
    objects.register_all()
    CONF(['--config-file', settings], project='cinder', version=version.version_string())
    logging.setup(CONF, 'cinder')
    config.set_middleware_defaults()
    os_brick.setup(CONF)
    # Its files are ours: nobody is asked for root.
    for context in (privsep.sys_admin_pctxt, privileged.default):
        context.set_client_mode(False)
    coordination.COORDINATOR.start()
    rpc.init(CONF)
    volume = service.Service.create(host=f'{CONF.host}@files', service_name='files', binary=constants.VOLUME_BINARY)
    scheduler = service.Service.create(binary=constants.SCHEDULER_BINARY)
    scheduler.start()
    volume.start()
    eventlet.wsgi.server(eventlet.listen(('127.0.0.1', int(port))), wsgi.Loader(CONF).load_app(name='osapi_volume'),
                         log_output=False)


if __name__ == '__main__':
    main()
