#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures a Compute API endpoint from outside, and prints one table.

    tools/bench/bench.py                              starts a site of its own (see --site) and measures it
    tools/bench/bench.py --endpoint http://127.0.0.1:8774/v2.1 --token admin:demo --image UUID --flavor 1

A site of its own is 'all' (nova-all on SQLite) or 'daemons' (2 API workers, conductor, scheduler, compute, over
RabbitMQ and MariaDB), with the fake driver.  Times depend on the machine: compare two endpoints within one run
on an idle one.  Statements and messages are counts: they are the same everywhere.  For a site of its own a table
per hop says which process and which step takes the time.
"""

import argparse
import concurrent.futures
import http.client
import json
import pathlib
import statistics
import sys
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(pathlib.Path(__file__).parent))
MICROVERSION = '2.96'
#: Requests between two readings of the table per hop.
TRACED = 20


class Endpoint:
    """One keep-alive connection to the API."""

    def __init__(self, url, token):
        self.url = urllib.parse.urlsplit(url)
        self.headers = {'X-Auth-Token': token, 'Content-Type': 'application/json',
                        'OpenStack-API-Version': f'compute {MICROVERSION}'}
        self.connection = http.client.HTTPConnection(self.url.hostname, self.url.port, timeout=300)

    def call(self, method, path, body=None):
        """(status, bytes, seconds)"""
        begun = time.perf_counter()
        self.connection.request(method, self.url.path + path if path.startswith('/') and not path.startswith('//')
                                else path[1:], json.dumps(body) if body is not None else None, self.headers)
        answer = self.connection.getresponse()
        data = answer.read()
        return answer.status, data, time.perf_counter() - begun

    def json(self, path):
        status, data, _seconds = self.call('GET', path)
        if status != 200:
            raise SystemExit(f'GET {path}: {status} {data[:300]!r}')
        return json.loads(data)

    def metric(self, *names):
        """Sum of the counters whose name ends in one of the names; None where the endpoint has no metrics."""
        status, data, _seconds = self.call('GET', '//metrics')
        if status != 200:
            return None
        return sum(float(line.split()[-1]) for line in data.decode().splitlines()
                   if line.split('{')[0].split(' ')[0].endswith(names))


def median_ms(endpoint, path, seconds=3.0, least=5):
    """Median time of a GET in milliseconds, over some seconds."""
    took, until = [], time.perf_counter() + seconds
    while len(took) < least or time.perf_counter() < until:
        status, _data, one = endpoint.call('GET', path)
        if status != 200:
            raise SystemExit(f'GET {path}: {status}')
        took.append(one * 1000)
    return statistics.median(took)


def counted(endpoint, action):
    """(statements, messages) of an action; the least of three, since daemons ask by themselves too."""
    found = []
    for _ in range(3):
        before = endpoint.metric('db_queries_total'), endpoint.metric('rpc_messages_total')
        action()
        after = endpoint.metric('db_queries_total'), endpoint.metric('rpc_messages_total')
        if None in (*before, *after):
            return None
        found.append((after[0] - before[0], after[1] - before[1]))
    return tuple(int(min(values)) for values in zip(*found, strict=True))


class Bench:
    def __init__(self, args, endpoint, hops=None):
        self.args, self.endpoint, self.rows, self.hops = args, endpoint, [], hops

    def row(self, what, value, unit):
        self.rows.append((what, value, unit))
        shown = f'{value:.1f}' if isinstance(value, float) else value
        print(f'{what:<58}{shown:>14} {unit}', flush=True)

    def server(self, name, count=1):
        return {'server': {'name': name, 'flavorRef': self.args.flavor, 'imageRef': self.args.image, 'networks': 'none',
                           'min_count': count, 'max_count': count}}

    def create(self, name, count=1, endpoint=None):
        status, data, took = (endpoint or self.endpoint).call('POST', '/servers', self.server(name, count))
        if status != 202:
            raise SystemExit(f'POST /servers: {status} {data[:300]!r}')
        return json.loads(data)['server']['id'], took

    def wait(self, uuid, every_s=0.005):
        while True:
            server = self.endpoint.json(f'/servers/{uuid}')['server']
            if server['status'] in ('ACTIVE', 'ERROR'):
                return server['status']
            time.sleep(every_s)

    def counts(self):
        """Servers by status, of all pages."""
        found, marker = {}, ''
        while True:
            page = self.endpoint.json(f'/servers/detail?limit=1000{marker}')['servers']
            for server in page:
                found[server['status']] = found.get(server['status'], 0) + 1
            if len(page) < 1000:
                return found
            marker = f'&marker={page[-1]["id"]}'

    def one_boot(self, what):
        took = []
        for index in range(7):
            begun = time.perf_counter()
            self.wait(self.create(f'one-{index}')[0])
            took.append((time.perf_counter() - begun) * 1000)
        self.row(what, statistics.median(took), 'ms')

    def throughput(self):
        def worker(number):
            endpoint = Endpoint(self.args.endpoint, self.args.token)
            for index in range(self.args.servers // 8):
                self.create(f'load-{number}-{index}', endpoint=endpoint)
        begun = time.perf_counter()
        already = sum(self.counts().values())
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(worker, range(8)))
        accepted = time.perf_counter() - begun
        while self.counts().get('BUILD'):
            time.sleep(0.2)
        total = time.perf_counter() - begun
        made = sum(self.counts().values()) - already
        self.row(f'{made} servers asked for one by one, 8 clients: accepted', made / accepted, '/s')
        self.row('... ACTIVE', made / total, '/s')

    def fill(self):
        have = sum(self.counts().values())
        while have < self.args.list:
            count = min(100, self.args.list - have)
            self.create('fill', count)
            have += count
        while self.counts().get('BUILD'):
            time.sleep(0.3)

    def lists(self):
        one = self.endpoint.json('/servers?limit=1')['servers'][0]['id']
        self.row('GET /servers/{id}', median_ms(self.endpoint, f'/servers/{one}'), 'ms')
        for count in (100, 1000):
            self.row(f'GET /servers/detail, {count} servers',
                     median_ms(self.endpoint, f'/servers/detail?limit={count}'), 'ms')
        for what, path in (('show', f'/servers/{one}'), ('list of 100', '/servers/detail?limit=100'),
                           ('list of 1000', '/servers/detail?limit=1000')):
            found = counted(self.endpoint, lambda path=path: self.endpoint.json(path))
            if found:
                self.row(f'statements, messages of a {what}', f'{found[0]}, {found[1]}', '')

    def boot_counts(self):
        def boot():
            self.create('counted')
            time.sleep(1.0)
        found = counted(self.endpoint, boot)
        if found:
            self.row('statements, messages of one boot (this process)', f'{found[0]}, {found[1]}', '')

    def trace(self, what, action):
        """Print which hop takes the time of an action."""
        if self.hops is None:
            return
        import hops
        before = self.hops.read()
        for number in range(TRACED):
            action(number)
        hops.show(what, self.hops.rows(before, self.hops.read(), TRACED))

    def traces(self):
        one = self.endpoint.json('/servers?limit=1')['servers'][0]['id']
        self.trace('one boot, hop by hop', lambda number: self.wait(self.create(f'traced-{number}')[0], 0.02))
        self.trace('GET /servers/{id}', lambda number: self.endpoint.json(f'/servers/{one}'))
        self.trace('GET /servers/detail, 1000 servers', lambda number: self.endpoint.json('/servers/detail?limit=1000'))

    def ids(self):
        found, marker = [], ''
        while page := self.endpoint.json(f'/servers?limit=1000{marker}')['servers']:
            found += [server['id'] for server in page]
            marker = f'&marker={found[-1]}'
        return found

    def delete(self):
        ids = self.ids()
        begun = time.perf_counter()
        for uuid in ids:
            self.endpoint.call('DELETE', f'/servers/{uuid}')
        while self.endpoint.json('/servers?limit=1')['servers'] and time.perf_counter() - begun < 300:
            time.sleep(0.2)
        self.row(f'{len(ids)} servers deleted', len(ids) / (time.perf_counter() - begun), '/s')

    def run(self):
        self.one_boot('one boot alone to ACTIVE')
        self.boot_counts()
        self.throughput()
        self.fill()
        self.lists()
        self.one_boot(f'one boot to ACTIVE beside {self.args.list} servers')
        self.traces()
        print()
        self.delete()


def memory(pids):
    """{'rss', 'pss'} in MiB of processes and their children, and how many they are."""
    import psutil
    found = set()
    for pid in pids:
        process = psutil.Process(pid)
        found |= {process, *process.children(recursive=True)}
    infos = [process.memory_full_info() for process in found]
    return sum(info.rss for info in infos) / 2**20, sum(info.pss for info in infos) / 2**20, len(infos)


def own_site(args):
    """Start a site of our own, measure its start and its memory, and the rest through it."""
    from nova.tests import harness
    settings = {'DEFAULT': {'debug': False, 'osapi_compute_workers': 2, 'log_dir': None, 'report_interval': 10,
                            'service_down_time': 60, 'order_poll_interval': 5, 'order_lease': 40,
                            'janitor_interval': 10, 'enabled_apis': 'osapi_compute'},
                'conductor': {'workers': 1}, 'scheduler': {'workers': 1}}
    ports = {}
    if args.site == 'daemons':
        ports = {name: harness.free_port() for name in ('nova-conductor', 'nova-scheduler', 'nova-compute')}
        settings['monitoring'] = {'ports': ','.join(f'{name}:{port}' for name, port in ports.items())}
    if args.site == 'all':
        cloud = harness.Cloud.all_in_one(settings, forked=False)
    else:
        cloud = harness.Cloud.daemons(settings, forked=False, binaries=(
            'nova-conductor', 'nova-scheduler', 'nova-compute', 'nova-api'))
    cloud.set_up()
    try:
        begun = time.perf_counter()
        for binary in cloud.binaries:
            cloud.start(binary)
        probe = Endpoint(cloud.endpoint, 'admin:demo')
        first = None
        while first is None:
            try:
                probe.call('GET', '/servers')
                first = time.perf_counter() - begun
            except OSError:
                probe.connection.close()
                time.sleep(0.02)
        cloud.wait_ready()
        args.endpoint, args.image, args.flavor = cloud.endpoint, harness.IMAGE_ID, '1'
        import hops
        ports['nova-api' if args.site == 'daemons' else 'nova-all'] = cloud.port
        bench = Bench(args, Endpoint(cloud.endpoint, args.token),
                      hops.Hops(ports, {name: process.pid for name, process in cloud.processes.items()}))
        bench.row('first answer after the start', first, 's')
        pids = [process.pid for process in cloud.processes.values()]
        _rss, pss, count = memory(pids)
        bench.row(f'memory of {count} processes, proportional', pss, 'MiB')
        bench.run()
        _rss, pss, count = memory(pids)
        bench.row(f'memory of {count} processes afterwards, proportional', pss, 'MiB')
        for name, process in cloud.processes.items():
            bench.row(f'  {name}', memory([process.pid])[1], 'MiB')
    finally:
        cloud.__exit__(None, None, None)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--endpoint', help='URL of a running API up to the version; without it a site is started')
    parser.add_argument('--site', choices=('all', 'daemons'), default='all', help='which site to start')
    parser.add_argument('--token', default='admin:demo')
    parser.add_argument('--image', default='11111111-1111-1111-1111-111111111111')
    parser.add_argument('--flavor', default='1')
    parser.add_argument('--servers', type=int, default=200, help='servers for the throughput')
    parser.add_argument('--list', type=int, default=1000, help='servers to list')
    args = parser.parse_args()
    if args.endpoint:
        Bench(args, Endpoint(args.endpoint, args.token)).run()
    else:
        own_site(args)


if __name__ == '__main__':
    main()
