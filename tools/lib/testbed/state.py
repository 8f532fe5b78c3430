# SPDX-License-Identifier: Apache-2.0
"""The JSON file of a bed.

A name is written into it before the thing of that name is made, so that `down` finds what a killed `up` has left.
"""

import contextlib
import fcntl
import json
import os

import testbed

CACHE = testbed.TREE / '.cache' / 'testbed'


class State(dict):
    """What is known of a bed.

    :param name: of the bed; several may stand side by side.
    """

    def __init__(self, name, values=()):
        super().__init__(values)
        self.name = name
        self.path = CACHE / f'{name}.json'

    @classmethod
    def load(cls, name):
        """The state of a bed, or None when there is no such bed."""
        try:
            return cls(name, json.loads((CACHE / f'{name}.json').read_text()))
        except FileNotFoundError:
            return None

    def save(self):
        """Write it in one step: a reader sees the old file or the new one."""
        CACHE.mkdir(parents=True, exist_ok=True)
        new = self.path.with_suffix('.new')
        # There are passwords of servers in it.
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 'w') as out:
            json.dump(self, out, indent=2)
        new.replace(self.path)

    def forget(self):
        self.path.unlink(missing_ok=True)


@contextlib.contextmanager
def alone(name):
    """Only one command at a time changes a bed; the next one waits."""
    CACHE.mkdir(parents=True, exist_ok=True)
    path = CACHE / f'{name}.lock'
    while True:
        with path.open('w') as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            # Whoever held it before may have removed the file, and a third one made it anew.
            if not path.exists() or os.fstat(lock.fileno()).st_ino != path.stat().st_ino:
                continue
            try:
                yield
            finally:
                path.unlink(missing_ok=True)
            return


def names():
    """Names of the beds that there are."""
    return sorted(path.stem for path in CACHE.glob('*.json'))
