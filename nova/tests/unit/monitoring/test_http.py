# SPDX-License-Identifier: Apache-2.0
import json
import os
import subprocess
import sys
import unittest

from nova.conf import CONF
from nova.monitoring import health, http, metrics


class MonitoringTestCase(unittest.TestCase):

    def setUp(self):
        CONF([], default_config_files=[])
        self.checks = dict(health._checks)
        health._checks.clear()
        health._cache.clear()
        self.addCleanup(health._checks.update, self.checks)
        self.addCleanup(health._checks.clear)

    def get(self, path, query='', address='127.0.0.1', method='GET', **headers):
        said = {}
        environ = {'REQUEST_METHOD': method, 'PATH_INFO': path, 'QUERY_STRING': query, 'REMOTE_ADDR': address,
                   **headers}
        body = b''.join(http.application(environ, lambda status, fields: said.update(status=status, **dict(fields))))
        return said['status'], body.decode()

    def test_ready_is_all_checks(self):
        health.register('database', lambda: 'answers')
        self.assertEqual(('200 OK', 'OK\n'), self.get('/healthcheck'))
        health.register('messages', self.unwell)
        self.assertEqual(('503 Service Unavailable', 'FAILED: messages\n'), self.get('/healthcheck/ready'))

    def unwell(self):
        raise health.Unwell('no broker')

    def test_live_is_that_it_answers(self):
        health.register('messages', self.unwell)
        self.assertEqual(('200 OK', 'OK\n'), self.get('/healthcheck/live'))

    def test_details_are_shown_on_request(self):
        health.register('database', lambda: 'answers')
        health.register('messages', self.unwell)
        status, body = self.get('/healthcheck', 'verbose')
        self.assertEqual('503 Service Unavailable', status)
        self.assertIn('FAILED messages: no broker', body)
        self.assertIn('ok     database: answers', body)
        _status, body = self.get('/healthcheck', 'verbose', HTTP_ACCEPT='application/json')
        self.assertEqual([True, False], [check['ok'] for check in json.loads(body)['checks']])

    def test_details_are_not_for_everyone(self):
        health.register('messages', self.unwell)
        self.assertEqual('FAILED: messages\n', self.get('/healthcheck', 'verbose', address='192.0.2.9')[1])

    def test_a_check_that_breaks_counts_as_failed(self):
        health.register('database', lambda: 1 / 0)
        self.assertIn('ZeroDivisionError', self.get('/healthcheck', 'verbose')[1])

    def test_many_askers_cost_one_check(self):
        asked = []
        health.register('database', lambda: asked.append(1))
        for _ in range(5):
            self.get('/healthcheck')
        self.assertEqual(1, len(asked))

    def test_head_has_no_body(self):
        self.assertEqual(('200 OK', ''), self.get('/healthcheck', method='HEAD'))

    def test_metrics_are_prometheus_text(self):
        metrics.setup()
        metrics.request('osapi_compute', 'GET', '/servers/{id}', 200, 0.0031)
        metrics.db_query()
        metrics.operation('reboot', 'success', 1.5)
        metrics.scheduling('no_host', 0.01, refusals={'RamFilter': 3})
        status, body = self.get('/metrics')
        self.assertEqual('200 OK', status)
        for line in ('nova_http_requests_total{api="osapi_compute",method="GET",route="/servers/{id}",status="200"}',
                     'nova_http_request_seconds_bucket{api="osapi_compute",le="0.005"', 'nova_db_queries_total',
                     'nova_operations_total{action="reboot",result="success"}',
                     'nova_scheduling_refusals_total{filter="RamFilter"}', 'process_resident_memory_bytes'):
            self.assertIn(line, body)

    def test_metrics_are_not_for_everyone(self):
        for address in ('192.0.2.9', '2001:db8::1', 'nonsense'):
            self.assertEqual('403 Forbidden', self.get('/metrics', address=address)[0])
        self.assertEqual('200 OK', self.get('/metrics', address='::ffff:127.0.0.1')[0])

    def test_other_paths_are_somebody_elses(self):
        self.assertEqual('404 Not Found', self.get('/')[0])
        passed = http.Middleware(lambda environ, start_response: ['through'])
        self.assertEqual(['through'], passed({'REQUEST_METHOD': 'GET', 'PATH_INFO': '/servers'}, None))


class MetricsTestCase(unittest.TestCase):

    def test_counting_needs_no_exporter_and_nothing_is_lost_when_it_comes(self):
        done = subprocess.run([sys.executable, '-c', (
            'import sys\nfrom nova.monitoring import metrics\n'
            'metrics.db_query(); metrics.db_query()\n'
            'assert "prometheus_client" not in sys.modules\n'
            'metrics.setup(); metrics.db_query()\n'
            'assert b"nova_db_queries_total 3.0" in metrics.render()[1]\n')],
            capture_output=True, text=True, check=False)
        self.assertEqual(('', 0), (done.stderr, done.returncode))

    def test_workers_answer_with_the_sum_of_all(self):
        done = subprocess.run([sys.executable, '-W', 'ignore', '-c', (
            'import os\nfrom nova.monitoring import metrics\n'
            'metrics.setup(workers=2)\n'
            'for _ in range(2):\n'
            '    if os.fork() == 0:\n'
            '        metrics.db_query(); os._exit(0)\n'
            'os.wait(); os.wait()\n'
            'assert b"nova_db_queries_total 2.0" in metrics.render()[1], metrics.render()[1]\n'
            'print(metrics._shared_dir)\n')], capture_output=True, text=True, check=False)
        self.assertEqual(('', 0), (done.stderr, done.returncode))
        self.assertFalse(os.path.exists(done.stdout.strip()))
