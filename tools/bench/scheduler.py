#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures one scheduler process that chooses among simulated hosts and claims, and prints a table.

    tools/bench/scheduler.py                1,000, 5,000 and 10,000 hosts on MariaDB
    tools/bench/scheduler.py --hosts 5000 --seconds 10 --database postgresql+psycopg2://postgres@127.0.0.1/postgres

The hosts are rows: a compute node and a service each.  Another process makes all of them beat once in ten seconds while
the scheduler decides.  A decision is `select_destinations` with the default filters: choose, claim, commit.  Each size
runs in a process and a database of its own.  Times depend on the machine; compare within one run on an idle one.
"""

import argparse
import datetime
import json
import os
import pathlib
import random
import subprocess
import sys
import time
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
MYSQL = os.environ.get('NOVA_TEST_MYSQL', 'mysql+pymysql://root@127.0.0.1/')


def configure(url):
    """The configuration, with the database."""
    from nova import config, objects, rpc
    from nova.conf import CONF
    rpc.register_options(CONF)
    import oslo_db.options  # noqa: F401

    import nova.db.session  # noqa: F401  (registers [database])
    config.parse_args(['bench'], default_config_files=[])
    CONF.set_override('connection', url, 'database')
    objects.register_all()


def make_hosts(count):
    """Insert the rows of so many hosts."""
    import sqlalchemy as sa

    from nova import context, db
    from nova.db.types import utcnow
    for package in ('main', 'api'):
        db.families(package)
    engine = db.session.engine(db.session.main_url())
    for base in (db.main.base.Base, db.api.base.Base):
        base.metadata.create_all(engine)
    now = utcnow()

    def before():
        """Hosts that have been there for a while: the last change of each was some time ago."""
        return now - datetime.timedelta(seconds=random.uniform(600, 7200))
    with db.session.writer(context.get_admin_context()) as conn:
        for start in range(0, count, 1000):
            numbers = range(start, min(count, start + 1000))
            conn.execute(sa.insert(db.services.services), [
                {'uuid': str(uuid.uuid4()), 'host': f'host-{number:05}', 'binary': 'nova-compute', 'topic': 'compute',
                 'last_seen_up': now, 'created_at': before(), 'updated_at': before()} for number in numbers])
            conn.execute(sa.insert(db.compute_nodes.compute_nodes), [
                {'uuid': str(uuid.uuid4()), 'host': f'host-{number:05}', 'hypervisor_hostname': f'host-{number:05}',
                 'vcpus': 64, 'memory_mb': 262144, 'local_gb': 4000, 'cpu_allocation_ratio': 4.0,
                 'hypervisor_type': 'QEMU', 'hypervisor_version': 9000000, 'updated_at': before(),
                 'supported_hv_specs': [['x86_64', 'kvm', 'hvm']], 'traits': ['HW_CPU_X86_AVX2'],
                 'stats': {'io_workload': 0, 'failed_builds': 0},
                 'cpu_info': json.dumps({'arch': 'x86_64', 'model': 'Skylake', 'features': ['aes'] * 20})}
                for number in numbers])


def beat(url, count):
    """Let every host give a sign of life once in ten seconds, until the parent is gone."""
    import sqlalchemy as sa

    from nova.db.types import utcnow
    parent = os.getppid()
    engine = sa.create_engine(url)
    slices = 100
    while os.getppid() == parent:
        for number in range(slices):
            begun = time.monotonic()
            with engine.begin() as conn:
                conn.execute(sa.text('UPDATE services SET last_seen_up = :now WHERE id > :low AND id <= :high'),
                             {'now': utcnow(), 'low': number * count // slices, 'high': (number + 1) * count // slices})
            time.sleep(max(0, 10 / slices - (time.monotonic() - begun)))


def request(number=1):
    from nova import objects
    flavor = objects.Flavor(id=1, name='m1.small', flavorid='1', memory_mb=512, vcpus=1, root_gb=1, ephemeral_gb=0,
                            swap=0, extra_specs={})
    return objects.RequestSpec(flavor=flavor, image=objects.ImageMeta(id='i', properties={'hw_architecture': 'x86_64'}),
                               project_id='p', user_id='u', num_instances=number)


def measure(url, count, seconds, at_once):
    """Figures of one size, a dictionary."""
    from nova import concurrency
    concurrency.monkey_patch()
    configure(url)
    import psutil

    from nova import context, objects
    from nova.scheduler import manager
    make_hosts(count)
    beater = subprocess.Popen([sys.executable, __file__, '--beat', str(count), '--database', url])
    try:
        admin = context.get_admin_context()
        scheduler = manager.SchedulerManager(host='bench')
        before = psutil.Process().memory_info().rss
        begun = time.perf_counter()
        scheduler.init_host()
        found = {'hosts': count, 'load_s': time.perf_counter() - begun}
        spec = request()

        def decide():
            started = time.perf_counter()
            scheduler.select_destinations(admin, spec, [str(uuid.uuid4())], 2)
            return time.perf_counter() - started
        decide()
        took, until = [], time.perf_counter() + seconds
        while time.perf_counter() < until:
            took.append(decide())
        took.sort()
        found |= {'alone_p50_ms': 1000 * took[len(took) // 2], 'alone_p99_ms': 1000 * took[int(len(took) * 0.99)],
                  'alone_per_s': len(took) / sum(took)}
        done, until = [], time.perf_counter() + seconds

        def worker():
            while time.perf_counter() < until:
                done.append(decide())
        begun = time.perf_counter()
        for task in [concurrency.spawn(worker) for _number in range(8)]:
            task.wait()
        found['eight_per_s'] = len(done) / (time.perf_counter() - begun)
        if at_once:
            begun = time.perf_counter()
            scheduler.select_destinations(admin, request(at_once), [str(uuid.uuid4()) for _ in range(at_once)], 2)
            found['at_once_s'] = time.perf_counter() - begun
        wrong = objects.Claim.check(admin)
        if wrong:
            raise SystemExit(f'used amounts are not the sum of the claims: {wrong[:3]}')
        found |= {'rss_mb': psutil.Process().memory_info().rss / 2**20, 'before_mb': before / 2**20}
        return found
    finally:
        beater.terminate()
        beater.wait()


ROWS = (('load_s', 'all hosts read at the start', 's'), ('alone_p50_ms', 'one decision after the other: p50', 'ms'),
        ('alone_p99_ms', '... p99', 'ms'), ('alone_per_s', '... decisions', '/s'),
        ('eight_per_s', 'eight requests at a time: decisions', '/s'),
        ('at_once_s', '1,000 servers in one request', 's'), ('rss_mb', 'memory of the process', 'MiB'))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--hosts', type=int, nargs='*', default=[1000, 5000, 10000])
    parser.add_argument('--seconds', type=float, default=5.0)
    parser.add_argument('--at-once', type=int, default=1000, help='servers of one request (0: none)')
    parser.add_argument('--database', default=MYSQL, help='URL of a database server')
    parser.add_argument('--beat', type=int, help=argparse.SUPPRESS)
    parser.add_argument('--one', type=int, help=argparse.SUPPRESS)
    parser.add_argument('--json', action='store_true', help='print JSON')
    args = parser.parse_args()
    if args.beat:
        beat(args.database, args.beat)
        return
    if args.one:
        print(json.dumps(measure(args.database, args.one, args.seconds, args.at_once)))
        return
    import sqlalchemy as sa
    url = sa.make_url(args.database)
    server = sa.create_engine(url, isolation_level='AUTOCOMMIT')
    results = []
    for count in args.hosts:
        name = f'nova_bench_{uuid.uuid4().hex[:10]}'
        with server.connect() as conn:
            conn.execute(sa.text(f'CREATE DATABASE {name}'))
        try:
            own = url.set(database=name).render_as_string(hide_password=False)
            output = subprocess.run([sys.executable, __file__, '--one', str(count), '--database', own, '--seconds',
                                     str(args.seconds), '--at-once', str(args.at_once)], check=True,
                                    stdout=subprocess.PIPE, text=True).stdout
            results.append(json.loads(output.splitlines()[-1]))
        finally:
            with server.connect() as conn:
                conn.execute(sa.text(f'DROP DATABASE {name}'))
    if args.json:
        print(json.dumps(results))
        return
    print(f'{"hosts":<40}' + ''.join(f'{result["hosts"]:>12,}' for result in results))
    for key, label, unit in ROWS:
        if key in results[0]:
            print(f'{label:<40}' + ''.join(f'{result[key]:>12,.1f}' for result in results) + f' {unit}')


if __name__ == '__main__':
    main()
