# SPDX-License-Identifier: Apache-2.0
"""A daemon for tests of how daemons live: `python -m nova.tests.functional.sample_daemon KIND --config-file ...`.

KIND `service` is a Service with a manager that does little, `api` an API whose application the paste file names.
"""

from nova import concurrency

concurrency.monkey_patch()

import os  # noqa: E402  (everything below must be imported patched)
import sys  # noqa: E402

import oslo_messaging  # noqa: E402

from nova import db, manager, rpc, service  # noqa: E402
from nova.cmd import common  # noqa: E402
from nova.conf import CONF  # noqa: E402


def say(text):
    """A line for the test to read, at once."""
    sys.stdout.write(f'{text}\n')
    sys.stdout.flush()


class Sample(manager.Manager):
    target = oslo_messaging.Target(version='1.0')

    def init_host(self):
        say('init_host')

    def post_start_hook(self):
        # To itself: something to be finished when the daemon is stopped.
        client = rpc.get_client(oslo_messaging.Target(topic=self.service_name, version='1.0'))
        client.cast(rpc.context.get_admin_context(), 'work')

    def work(self, ctxt):
        say('working')
        concurrency.sleep(float(os.environ.get('SAMPLE_WORK_S', '1')))
        say('worked')

    def reset(self):
        say(f'reset, debug is {CONF.debug}')

    def cleanup_host(self):
        say('cleanup_host')


def application(global_conf, **local_conf):
    """Paste application: /slow takes a second, everything else answers with the worker's process id."""
    def answer(environ, start_response):
        if environ['PATH_INFO'] == '/slow':
            say('asked')
            concurrency.sleep(1)
        body = str(os.getpid()).encode()
        start_response('200 OK', [('Content-Length', str(len(body)))])
        return [body]
    return answer


def services():
    if kind == 'api':
        return [service.WSGIService('osapi_compute')]
    return [service.Service.create('nova-sample', manager=f'{Sample.__module__}.Sample')]


if __name__ == '__main__':
    kind = sys.argv.pop(1)
    # The same class under the name by which it is loaded.
    sys.modules['nova.tests.functional.sample_daemon'] = sys.modules['__main__']
    Sample.__module__ = 'nova.tests.functional.sample_daemon'
    db.session.dispose()
    sys.exit(common.run('nova-api' if kind == 'api' else 'nova-sample', services, transport_url='local://'))
