# SPDX-License-Identifier: Apache-2.0
"""Where the time of requests goes: what each process timed, between two readings of its /metrics."""

import collections
import http.client
import re

import psutil

#: What is shown, in the order of a request's way: (histogram, what one of its samples is called; {} are its labels).
HOPS = (('http_request_seconds', '{method} {route}'),
        ('rpc_call_seconds', 'call {method}, until answered'),
        ('rpc_handled_seconds', 'handle {method}'),
        ('scheduling_seconds', 'choose hosts and claim'),
        ('operation_seconds', 'action {action}'),
        ('db_seconds', 'statement'))
_SAMPLE = re.compile(r'nova_(\w+)_(count|sum)(?:\{(.*)\})? (\S+)$')
_LABEL = re.compile(r'(\w+)="([^"]*)"')


class Hops:
    """Reads daemons.

    :param ports: {name of a daemon: port of its /metrics}.
    :param pids: {name of a daemon: its process id}.
    """

    def __init__(self, ports, pids):
        self.ports, self.pids = ports, pids

    def read(self):
        """{(daemon, histogram, labels): [count, seconds]}, and {(daemon, 'cpu', ''): [1, seconds]}."""
        found = collections.defaultdict(lambda: [0.0, 0.0])
        for name, port in self.ports.items():
            connection = http.client.HTTPConnection('127.0.0.1', port, timeout=10)
            connection.request('GET', '/metrics')
            for line in connection.getresponse().read().decode().splitlines():
                if match := _SAMPLE.match(line):
                    histogram, kind, labels, value = match.groups()
                    found[name, histogram, labels or ''][kind == 'sum'] += float(value)
            connection.close()
            process = psutil.Process(self.pids[name])
            cpu = sum(sum(one.cpu_times()[:2]) for one in (process, *process.children(recursive=True)))
            found[name, 'cpu', ''] = [1.0, cpu]
        return found

    @staticmethod
    def rows(before, after, requests):
        """[(daemon, hop, how often per request, mean of one in ms, ms per request)] of what happened in between."""
        rows = []
        for (name, histogram, labels), (count, seconds) in sorted(after.items()):
            count, seconds = count - before[name, histogram, labels][0], seconds - before[name, histogram, labels][1]
            if histogram == 'cpu':
                rows.append((name, 'processor time', '', '', seconds / requests * 1000))
            elif count and (shown := dict(HOPS).get(histogram)):
                hop = shown.format(**dict(_LABEL.findall(labels)))
                rows.append((name, hop, count / requests, seconds / count * 1000, seconds / requests * 1000))
        return rows


def show(title, rows, least_ms=0.05):
    """Print a table of `Hops.rows`, without what took next to nothing."""
    print(f'\n{title:<66}{"per request":>12}{"ms each":>10}{"ms in all":>11}')
    for name, hop, times, each, total in rows:
        if total >= least_ms:
            numbers = f'{times:>12.1f}{each:>10.2f}' if times != '' else ' ' * 22
            print(f'  {name:<16} {hop:<47}{numbers}{total:>11.2f}', flush=True)
