# SPDX-License-Identifier: Apache-2.0
"""What all daemons do before they start."""

import contextlib
import os
import sys

from nova import concurrency, config, context, db, exception, objects, policy, rpc, service
from nova.conductor import rpcapi as conductor_rpcapi
from nova.conf import CONF
from nova.monitoring import health
from nova.objects import base as objects_base
from nova.wsgi import checks

#: How many processes a daemon has.  Those that are not here have one.
WORKERS = {
    'nova-api': lambda: CONF.osapi_compute_workers,
    'nova-api-os-compute': lambda: CONF.osapi_compute_workers,
    'nova-api-metadata': lambda: CONF.metadata_workers,
    'nova-conductor': lambda: CONF.conductor.workers,
    'nova-scheduler': lambda: CONF.scheduler.workers,
}


def prepare(binary, database=True, transport_url=None):
    """Read options, set up logs and messages.

    :param database: False for daemons on hosts: their objects are read and written by the conductor.
    :param transport_url: of messages, unless configured.
    """
    rpc.register_options(CONF, transport_url)
    if database:
        # Naming it loads it, which registers [database] before the options are checked.
        service.BEFORE_FORK_HOOKS[:] = [_meet_database, db.session.dispose]
    config.parse_args([binary, *sys.argv[1:]])
    service.RELOAD_HOOKS[:] = [policy.reset]
    objects.register_all()
    rpc.init(CONF)
    if database:
        health.register('database', checks.database)
    else:
        objects_base.NovaObject.indirection_api = conductor_rpcapi.ConductorAPI()


def _meet_database():
    """Ask the database once before forking, so that what that loads (12 MiB) is shared by the workers.

    A database that does not answer now is the workers' to wait for.
    """
    db.families('main')
    db.families('api')
    with contextlib.suppress(Exception), concurrency.timeout(3):
        checks.database()
        objects.ServiceList.get_all(context.get_admin_context())


def run(binary, make_services, **how):
    """Prepare, make the services, run them.  Returns the exit status of the command.

    :param make_services: function that returns the services in the order of their start.
    Options that turn out wrong are one line on stderr and status 1.
    """
    try:
        prepare(binary, **how)
        services = make_services()
        if any(isinstance(each, service.WSGIService) for each in services):
            service.BEFORE_FORK_HOOKS.append(policy.init)   # shared by the workers, as long as nobody changes it
        else:
            services += filter(None, [service.monitoring_service(binary)])
            os.nice(CONF.background_nice)
        service.serve(*services, workers=WORKERS[binary]() if binary in WORKERS else 1)
    except exception.ConfigInvalid as error:
        sys.stderr.write(f'{binary}: {error}\n')
        return 1
    return service.wait()
