# SPDX-License-Identifier: Apache-2.0
from nova import concurrency

concurrency.monkey_patch()

import unittest  # noqa: E402  (everything below must be imported patched)

from nova import manager  # noqa: E402
from nova.conf import CONF  # noqa: E402


class Sample(manager.Manager):

    def __init__(self):
        super().__init__('h1', 'sample')
        self.log = []
        self.hold = concurrency.Event()

    @manager.periodic_task(spacing=0.01, run_immediately=True)
    def often(self, ctxt):
        self.log.append(('often', ctxt.is_admin))

    @manager.periodic_task(spacing=lambda: 0, run_immediately=True)
    def off(self, ctxt):
        self.log.append('off')

    @manager.periodic_task(spacing=60)
    def broken(self, ctxt):
        raise ValueError('on purpose')

    @manager.periodic_task(spacing=60, each='look_at')
    def many(self, ctxt):
        yield from (1, 2, 3)

    def look_at(self, ctxt, item):
        if item == 2:
            raise ValueError('on purpose')
        self.log.append(item)

    @manager.periodic_task(spacing=60)
    def by_itself(self, ctxt):
        for item in 'ab':
            self.log.append(item)
            yield

    @manager.periodic_task(spacing=60, limit=0.02)
    def stuck(self, ctxt):
        self.hold.wait(5)


class PeriodicTestCase(unittest.TestCase):

    def setUp(self):
        CONF([], default_config_files=[])
        self.manager = Sample()

    def test_a_task_runs_again_and_again_as_administrator(self):
        self.manager.start_periodic_tasks()
        concurrency.sleep(0.1)
        self.manager.stop_periodic_tasks()
        self.assertGreater(self.manager.log.count(('often', True)), 2)
        self.assertNotIn('off', self.manager.log)
        seen = len(self.manager.log)
        concurrency.sleep(0.05)
        self.assertEqual(seen, len(self.manager.log))

    def test_a_failure_is_logged_once_and_goes_no_further(self):
        with self.assertLogs('nova.manager', 'ERROR') as logs:
            self.manager.run_periodic_tasks('broken')
        self.assertEqual(1, len(logs.output))

    def test_a_failure_with_one_thing_does_not_keep_the_others_from_their_turn(self):
        with self.assertLogs('nova.manager', 'ERROR') as logs:
            self.manager.run_periodic_tasks('many')
        self.assertEqual([1, 3], self.manager.log)
        self.assertIn('failed for 2', logs.output[0])

    def test_a_task_may_yield_to_say_that_it_came_further(self):
        self.manager.run_periodic_tasks('by_itself')
        self.assertEqual(['a', 'b'], self.manager.log)

    def test_a_task_that_hangs_is_named_and_logged_once(self):
        task = manager._Periodic(self.manager, 'stuck', **Sample.stuck.periodic)
        self.manager._periodic.append(task)
        running = concurrency.spawn(task.run_once)
        concurrency.sleep(0)
        self.assertEqual({}, self.manager.hanging_tasks())
        concurrency.sleep(0.05)
        with self.assertLogs('nova.manager', 'ERROR') as logs:
            self.assertEqual(['stuck'], list(self.manager.hanging_tasks()))
            self.manager.hanging_tasks()
        self.assertEqual(1, len(logs.output))
        self.manager.hold.set()
        running.wait()
        self.assertEqual({}, self.manager.hanging_tasks())

    def test_periodic_tasks_and_hooks_are_not_remote(self):
        for name in ('often', 'init_host', 'reset', 'start_periodic_tasks'):
            self.assertTrue(getattr(Sample, name).not_remote)
        self.assertFalse(hasattr(Sample.look_at, 'not_remote'))
