# SPDX-License-Identifier: Apache-2.0
from nova import concurrency

concurrency.monkey_patch()

import os  # noqa: E402  (everything below must be imported patched)
import tempfile  # noqa: E402
import unittest  # noqa: E402
import unittest.mock  # noqa: E402
import uuid  # noqa: E402

import oslo_messaging  # noqa: E402
from oslo_db import exception as db_exc  # noqa: E402

from nova import context, db, exception, manager, objects, rpc, service, servicegroup  # noqa: E402
from nova.conf import CONF  # noqa: E402
from nova.monitoring import health  # noqa: E402

STARTED = []


class Sample(manager.Manager):
    """Remembers what it was told, in order."""

    target = oslo_messaging.Target(version='1.0')

    def __init__(self, host=None, service_name='sample'):
        super().__init__(host, service_name)
        self.order = []
        self.failures = []
        self.working = concurrency.Event()
        STARTED.append(self)

    def init_host(self):
        if self.failures:
            raise self.failures.pop(0)
        self.order.append(('init_host', self.start_id is not None, self.service_ref.host))

    def pre_start_hook(self):
        self.order.append('pre_start_hook')

    def post_start_hook(self):
        self.order.append('post_start_hook')

    def cleanup_host(self):
        self.order.append('cleanup_host')

    def work(self, ctxt, seconds):
        self.working.set()
        concurrency.sleep(seconds)
        self.order.append('worked')

    @manager.periodic_task(spacing=600, limit=0.01)
    def hang(self, ctxt):
        concurrency.sleep(60)


class ServiceTestCase(unittest.TestCase):

    def setUp(self):
        CONF([], default_config_files=[])
        db.session.dispose()
        directory = self.enterContext(tempfile.TemporaryDirectory())
        self.url = 'sqlite:///' + os.path.join(directory, 'nova.sqlite')
        self.set(connection=self.url, group='database')
        rpc.register_options(CONF)
        self.set(transport_url=f'local:///{uuid.uuid4().hex}', report_interval=1)
        self.addCleanup(db.session.dispose)
        self.make_schema()
        rpc.init(CONF)
        self.addCleanup(rpc.cleanup)
        STARTED.clear()

    def make_schema(self):
        db.families('main')
        db.base.Base.metadata.create_all(db.session.engine(self.url))

    def set(self, group=None, **options):
        for name, value in options.items():
            CONF.set_override(name, value, group)
            self.addCleanup(CONF.clear_override, name, group)

    def make(self, **how):
        made = service.Service.create('nova-sample', manager=f'{__name__}.Sample', host='h1', **how)
        self.addCleanup(made.stop)
        return made

    def record(self):
        return objects.Service.get_by_args(context.get_admin_context(), 'h1', 'nova-sample')

    def test_a_start_in_order(self):
        made = self.make()
        made.start()
        self.assertEqual([('init_host', True, 'h1'), 'pre_start_hook', 'post_start_hook'], made.manager.order)
        rpc.ping('sample', server='h1')

    def test_a_service_is_registered_and_up(self):
        made = self.make()
        made.start()
        record = self.record()
        self.assertEqual(('sample', made.start_id), (record.topic, record.start_id))
        self.assertTrue(servicegroup.API().service_is_up(record))

    def test_each_start_has_its_own_identity(self):
        first = self.make()
        first.start()
        first_id = first.start_id
        first.stop()
        second = self.make()
        second.start()
        self.assertNotEqual(first_id, second.start_id)
        self.assertEqual(second.start_id, self.record().start_id)

    def test_signs_of_life_are_given(self):
        made = self.make()
        made.start()
        before = self.record().report_count
        made._heart.beat()
        self.assertEqual(before + 1, self.record().report_count)

    def test_a_service_that_hangs_gives_no_sign_of_life(self):
        self.set(periodic_fuzzy_delay=0)
        made = self.make()
        made.start()
        concurrency.sleep(0.05)
        before = self.record().report_count
        with self.assertLogs('nova.manager', 'ERROR'):
            made._heart.beat()
        self.assertEqual(before, self.record().report_count)
        result = next(r for r in health.ready() if r.name == 'nova-sample')
        self.assertFalse(result.ok)
        self.assertIn('hang hangs', result.detail)
        for task in made.manager._periodic:
            task._thread.kill()
        made.manager._periodic.clear()

    def test_a_record_that_was_deleted_is_made_again(self):
        made = self.make()
        made.start()
        self.record().destroy()
        made._heart.beat()
        made._heart.beat()
        self.assertEqual(made.start_id, self.record().start_id)

    def test_a_neighbour_that_does_not_answer_is_waited_for(self):
        made = self.make()
        made.manager.failures = [db_exc.DBConnectionError(), oslo_messaging.MessagingTimeout('conductor')]
        slept = []
        self.enterContext(unittest.mock.patch.object(service.concurrency, 'sleep', slept.append))
        with self.assertLogs('nova.service', 'WARNING') as logs:
            made.start()
        self.assertEqual([1, 2], slept)
        self.assertEqual(2, len([line for line in logs.output if 'cannot start yet' in line]))
        self.assertTrue(made.is_started)

    def test_a_database_without_tables_is_waited_for(self):
        db.session.dispose()
        os.unlink(self.url.removeprefix('sqlite:///'))
        made = self.make()
        with self.assertLogs('nova.service', 'WARNING') as logs:
            starting = concurrency.spawn(made.start)
            concurrency.sleep(0.3)
            self.assertFalse(made.is_started)
            self.make_schema()
            with concurrency.timeout(10):
                starting.wait()
        self.assertIn('nova-manage db sync', logs.output[0])

    def test_what_is_no_outage_ends_the_start(self):
        made = self.make()
        made.manager.failures = [ValueError('a bug')]
        with self.assertRaises(ValueError):
            made.start()

    def test_stopping_finishes_what_is_held(self):
        made = self.make()
        made.start()
        client = rpc.get_client(oslo_messaging.Target(topic='sample', version='1.0'))
        client.cast(context.get_admin_context(), 'work', seconds=0.2)
        made.manager.working.wait(5)
        made.stop()
        self.assertEqual(['worked', 'cleanup_host'], made.manager.order[-2:])
        made.stop()
        self.assertEqual(1, made.manager.order.count('cleanup_host'))

    def test_a_service_that_never_started_stops(self):
        self.make().stop()

    def test_a_service_is_ready_while_its_messages_are_answered(self):
        made = self.make()
        made.start()
        self.assertTrue(all(result.ok for result in health.ready() if result.name.startswith('nova-sample')))

    def test_an_unknown_manager_is_named(self):
        with self.assertRaisesRegex(exception.ConfigInvalid, 'nova.nothing'):
            service.Service.create('nova-sample', manager='nova.nothing.Manager')

    def test_hooks_of_the_manager_cannot_be_called_from_afar(self):
        self.make().start()
        client = rpc.get_client(oslo_messaging.Target(topic='sample', version='1.0'))
        for method in ('init_host', 'cleanup_host', 'stop_periodic_tasks', 'hang'):
            with self.assertRaises(oslo_messaging.RemoteError), self.assertLogs('oslo_messaging.rpc.server', 'ERROR'):
                client.call(context.get_admin_context(), method)


class GroupTestCase(unittest.TestCase):

    def test_services_start_in_order_and_stop_in_reverse(self):
        order = []

        class Part:
            def __init__(self, name):
                self.name = name

            def start(self):
                order.append(f'start {self.name}')

            def stop(self):
                order.append(f'stop {self.name}')

            def reset(self):
                order.append(f'reset {self.name}')

            def wait(self):
                """Nothing to wait for."""

        group = service._Group([Part('a'), Part('b')])
        group.start()
        group.reset()
        group.stop()
        self.assertEqual(['start a', 'start b', 'reset a', 'reset b', 'stop b', 'stop a'], order)

    def test_a_wrong_option_is_one_line_and_the_end(self):
        class Part:
            def start(self):
                raise exception.ConfigInvalid(option='[x]y', reason='nonsense')

        with self.assertRaises(SystemExit) as ended, self.assertLogs('nova.service', 'CRITICAL') as logs:
            service._Group([Part()]).start()
        self.assertEqual(1, ended.exception.code)
        self.assertIn('[x]y: nonsense', logs.output[0])
        self.assertNotIn('Traceback', logs.output[0])
