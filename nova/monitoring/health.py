# SPDX-License-Identifier: Apache-2.0
"""Whether this process works, and if not, which part does not.

*Live* means that it answers at all: restart it if it does not.  *Ready* means that it can do its work now: send it no
requests if it cannot.  A check is a function that returns a short text about what is well, or raises `Unwell` (or
anything else) with what is not.
"""

import time
from typing import NamedTuple

from nova import concurrency

#: Seconds a check may take before it counts as failed, and for which its answer is used again.
CHECK_TIMEOUT_S = 5
FRESH_S = 1

_checks = {}
_cache = {}
_started = time.monotonic()


class Unwell(Exception):
    """A part of this process cannot do its work; the text says why."""


class Result(NamedTuple):
    name: str
    ok: bool
    detail: str
    seconds: float


def register(name, check):
    """Add a check to what *ready* means.  The same name again replaces it."""
    _checks[name] = check
    _cache.pop(name, None)


def unregister(name):
    _checks.pop(name, None)
    _cache.pop(name, None)


def _run(name, check):
    begun = time.monotonic()
    try:
        with concurrency.timeout(CHECK_TIMEOUT_S, Unwell(f'no answer within {CHECK_TIMEOUT_S} s')):
            ok, detail = True, str(check() or 'OK')
    except Exception as error:  # noqa: BLE001  (whatever is wrong is the answer)
        ok, detail = False, f'{type(error).__name__}: {error}' if not isinstance(error, Unwell) else str(error)
    return Result(name, ok, detail.split('\n', 1)[0], time.monotonic() - begun)


def _fresh(item):
    """One check's result, at most FRESH_S old, so that many askers cost as much as one."""
    name, check = item
    now = time.monotonic()
    at, result = _cache.get(name, (None, None))
    if at is None or now - at > FRESH_S:
        result = _run(name, check)
        _cache[name] = (time.monotonic(), result)
    return result


def ready():
    """[Result, ...] of all checks, run side by side."""
    items = sorted(_checks.items())
    if not items:
        return []
    return concurrency.GreenPool(len(items)).map(_fresh, items)


def live():
    """[Result]: that this is computed is the proof; says for how long the process has been up."""
    up = time.monotonic() - _started
    return [Result('process', True, f'up for {up:.0f} s', 0.0)]
