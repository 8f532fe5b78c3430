#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""From the accepted request to the first byte on the guest's console, beside the same domain started by hand.

    tools/bench/boot.py [--boots 7]

Builds a bed of one host (tools/testbed: RabbitMQ, MariaDB, separate daemons, libvirt with QEMU) and needs root for it.
The image cache is warm, and the first byte comes from the boot loader, right before the kernel.  Times depend on the
machine; the ratio is what counts, and is to be 1.5 at most.
"""

import argparse
import pathlib
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
HOST = 'compute1'


def size_of(log):
    return log.stat().st_size if log.exists() else 0


def until_it_speaks(log, begun, seen=0):
    """Seconds from `begun` until the guest's log, which had `seen` bytes and may begin anew, has more."""
    while time.perf_counter() - begun < 60:
        size = size_of(log)
        seen = min(seen, size)
        if size > seen:
            return time.perf_counter() - begun
        time.sleep(0.002)
    raise SystemExit(f'{log}: nothing new after 60 s')


class Bench:
    def __init__(self, bed, boots):
        self.bed, self.boots = bed, boots
        self.image = bed.api.get('/images?name=guest', version='2.35')['images'][0]['id']
        self.network = bed.api.get('/os-networks', version='2.35')['networks'][0]['id']
        self.flavor = bed.flavor('m1.tiny')

    def log(self, uuid):
        return self.bed.directory / HOST / 'instances' / uuid / 'console.log'

    def through_the_api(self):
        """(id of the server, seconds from the answer that accepts it to its first byte, seconds of that answer)"""
        begun = time.perf_counter()
        uuid = self.bed.api.boot('bench', wait=None, imageRef=self.image, flavorRef=self.flavor, host=HOST,
                                 networks=[{'uuid': self.network}])['id']
        accepted = time.perf_counter()
        return uuid, until_it_speaks(self.log(uuid), accepted), accepted - begun

    def by_hand(self, uuid):
        """Seconds from `virsh start` of the server's own domain to its first byte, several times."""
        self.bed.api.action(uuid, 'os-stop')
        self.bed.api.wait(uuid, 'SHUTOFF')
        (name,) = self.bed.domains(HOST)
        took = []
        # One call of the tool enters the host; what is timed is inside.
        for _ in range(self.boots):
            log = self.log(uuid)
            starter = subprocess.Popen([sys.executable, '-W', 'ignore', ROOT / 'tools' / 'testbed', '--name',
                                        self.bed.name, 'exec', HOST, '--', 'sh', '-c',
                                        f'read line; virsh start {name} >/dev/null'], stdin=subprocess.PIPE)
            time.sleep(1.5)     # until the shell reads
            seen, begun = size_of(log), time.perf_counter()
            starter.stdin.write(b'go\n')
            starter.stdin.close()
            took.append(until_it_speaks(log, begun, seen))
            starter.wait(30)
            self.bed.exec(HOST, 'virsh', 'destroy', name)
        return took

    def run(self):
        warm, _took, _accept = self.through_the_api()
        self.bed.api.wait(warm, 'ACTIVE')
        self.bed.delete(warm)
        ours, accepts = [], []
        for number in range(self.boots):
            uuid, took, accept = self.through_the_api()
            self.bed.api.wait(uuid, 'ACTIVE')
            ours.append(took)
            accepts.append(accept)
            if number < self.boots - 1:
                self.bed.delete(uuid)
        by_hand = self.by_hand(uuid)
        show('request accepted', accepts)
        show('accepted to first byte, through the API', ours)
        show('virsh start to first byte, by hand', by_hand)
        print(f'{"ratio of the medians":<44}{statistics.median(ours) / statistics.median(by_hand):>8.2f}')


def show(what, seconds):
    print(f'{what:<44}{statistics.median(seconds):>8.3f} s  ({min(seconds):.3f} to {max(seconds):.3f})', flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--boots', type=int, default=7)
    args = parser.parse_args()
    from nova.tests.integration import bed as beds
    with beds.Bed('bench-boot', '--hosts', '1') as bed:
        Bench(bed, args.boots).run()


if __name__ == '__main__':
    main()
