# SPDX-License-Identifier: Apache-2.0
from nova import concurrency

concurrency.monkey_patch()

import gc  # noqa: E402  (everything below must be imported patched)
import subprocess  # noqa: E402
import sys  # noqa: E402
import threading  # noqa: E402
import time  # noqa: E402
import unittest  # noqa: E402

from nova import context  # noqa: E402


def fail():
    raise ValueError('on purpose')


class TaskTestCase(unittest.TestCase):

    def test_wait_returns_the_result(self):
        self.assertEqual(3, concurrency.spawn(lambda a, b: a + b, 1, b=2).wait())

    def test_wait_raises_the_failure_and_nothing_is_logged(self):
        task = concurrency.spawn(fail)
        with self.assertNoLogs('nova.concurrency'), self.assertRaises(ValueError):
            task.wait()

    def test_a_failure_nobody_waits_for_is_logged(self):
        with self.assertLogs('nova.concurrency', 'ERROR') as logs:
            concurrency.spawn(fail)
            concurrency.sleep(0.01)
            gc.collect()
        self.assertIn('on purpose', logs.output[0])

    def test_a_killed_task_cleans_up_and_returns_nothing(self):
        seen = []

        def work():
            try:
                concurrency.sleep(60)
            finally:
                seen.append('cleaned')

        task = concurrency.spawn(work)
        concurrency.sleep(0)
        task.kill()
        self.assertIsNone(task.wait())
        self.assertEqual(['cleaned'], seen)

    def test_a_cancelled_task_never_runs(self):
        seen = []
        concurrency.spawn_after(0.01, seen.append, 1).cancel()
        concurrency.sleep(0.05)
        self.assertEqual([], seen)

    def test_a_task_has_the_context_of_its_starter(self):
        ctxt = context.RequestContext(user_id='u', overwrite=True)
        from oslo_context import context as oslo_context
        self.assertIs(ctxt, concurrency.spawn(oslo_context.get_current).wait())


class PoolTestCase(unittest.TestCase):

    def test_map_keeps_the_order_and_runs_side_by_side(self):
        begun = time.monotonic()
        self.assertEqual([0.2, 0.1, 0.0], concurrency.GreenPool(3).map(lambda s: concurrency.sleep(s) or s,
                                                                       [0.2, 0.1, 0.0]))
        self.assertLess(time.monotonic() - begun, 0.29)

    def test_map_raises_when_all_have_ended(self):
        seen = []

        def work(number):
            concurrency.sleep(number / 100)
            if number == 1:
                fail()
            seen.append(number)

        with self.assertRaises(ValueError):
            concurrency.GreenPool(5).map(work, [1, 2, 3])
        self.assertEqual([2, 3], seen)

    def test_no_more_than_its_size_run(self):
        running, most = [], []

        def work():
            running.append(1)
            most.append(len(running))
            concurrency.sleep(0.01)
            running.pop()

        pool = concurrency.GreenPool(2)
        for _ in range(6):
            pool.spawn_n(work)
        pool.waitall()
        self.assertEqual(2, max(most))


class WaitingTestCase(unittest.TestCase):

    def test_timeout_raises_what_it_is_told(self):
        for given, raised in ((None, TimeoutError), (KeyError, KeyError), (KeyError('x'), KeyError)):
            with self.assertRaises(raised), concurrency.timeout(0.01, given):
                concurrency.sleep(1)

    def test_timeout_leaves_what_is_in_time_alone(self):
        with concurrency.timeout(0.02):
            pass
        with concurrency.timeout(None):
            concurrency.sleep(0.03)

    def test_an_inner_timeout_does_not_catch_the_outer_one(self):
        with self.assertRaises(KeyError), concurrency.timeout(0.01, KeyError), concurrency.timeout(5):
            concurrency.sleep(1)

    def test_event_carries_a_value_or_a_failure(self):
        event = concurrency.Event()
        self.assertIsNone(event.wait(0.01))
        concurrency.spawn_after(0.01, event.send, 'news')
        self.assertEqual('news', event.wait(1))
        event.clear()
        self.assertFalse(event.is_set())
        event.send_exception(ValueError('bad news'))
        with self.assertRaises(ValueError):
            event.wait()
        other = concurrency.Event()
        other.set()
        self.assertTrue(other.wait(0))

    def test_a_named_lock_lets_one_in(self):
        order = []

        def work(name):
            with concurrency.lock('same'):
                order.append(f'{name} in')
                concurrency.sleep(0.01)
                order.append(f'{name} out')

        concurrency.GreenPool(2).map(work, 'ab')
        self.assertEqual(['a in', 'a out', 'b in', 'b out'], order)
        with concurrency.lock('one'), concurrency.lock('other'):
            pass

    def test_a_named_lock_vanishes(self):
        with concurrency.lock('passing'):
            self.assertIn('passing', concurrency._locks)
        gc.collect()
        self.assertNotIn('passing', concurrency._locks)


class NativeTestCase(unittest.TestCase):

    def test_native_code_leaves_the_others_running(self):
        ticks = []

        def tick():
            while True:
                ticks.append(1)
                concurrency.sleep(0.01)

        ticking = concurrency.spawn(tick)
        real_sleep = concurrency.native_module('time').sleep
        self.assertEqual('done', concurrency.native(lambda: real_sleep(0.2) or 'done'))
        ticking.kill()
        self.assertGreater(len(ticks), 5)

    def test_native_raises_what_the_code_raises(self):
        with self.assertRaises(ValueError):
            concurrency.native(fail)

    def test_a_native_thread_hands_things_to_a_green_one(self):
        received = concurrency.NativeQueue()
        native_threading = concurrency.native_module('threading')
        self.assertIsNot(native_threading.Thread, threading.Thread)
        thread = native_threading.Thread(target=lambda: [received.put(number) for number in range(1000)])
        reader = concurrency.spawn(lambda: [received.get() for _ in range(1000)])
        concurrency.sleep(0)
        thread.start()
        with concurrency.timeout(5):
            self.assertEqual(list(range(1000)), reader.wait())


class ImportTestCase(unittest.TestCase):

    def run_python(self, code):
        return subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=False)

    def test_importing_patches_nothing_and_works_in_plain_threads(self):
        done = self.run_python(
            'from nova import concurrency as c\n'
            'assert not c.is_patched()\n'
            'import threading; e = c.Event(); threading.Timer(0.05, e.send, ["x"]).start()\n'
            'assert e.wait(5) == "x"\n'
            'assert c.native(lambda: 1) == 1\n'
            'q = c.NativeQueue(); threading.Thread(target=q.put, args=[2]).start(); assert q.get() == 2\n'
            'assert c.spawn(lambda: 3).wait() == 3\n')
        self.assertEqual(('', 0), (done.stderr, done.returncode))

    def test_green_threads_have_contexts_of_their_own(self):
        done = self.run_python(
            'from nova import concurrency as c\nc.monkey_patch()\nfrom nova import context\n'
            'from oslo_context import context as current\n'
            'def work(name):\n'
            '    context.RequestContext(user_id=name)\n'
            '    c.sleep(0.01)\n'
            '    return current.get_current().user_id\n'
            'assert c.GreenPool(3).map(work, "abc") == ["a", "b", "c"]\n')
        self.assertEqual(('', 0), (done.stderr, done.returncode))

    def test_the_library_says_nothing_about_its_retirement(self):
        done = self.run_python(
            'from nova import concurrency as c\nc.monkey_patch()\nc.monkey_patch()\n'
            'import oslo_service.service, oslo_messaging\n')
        self.assertEqual(('', 0), (done.stderr, done.returncode))

    def test_postgresql_is_waited_for_green(self):
        done = self.run_python(
            'from nova import concurrency as c\nc.monkey_patch()\nimport sys\nassert "psycopg2" not in sys.modules\n'
            'import psycopg2.extensions as e\nassert e.get_wait_callback() is not None\n')
        self.assertEqual(('', 0), (done.stderr, done.returncode))
