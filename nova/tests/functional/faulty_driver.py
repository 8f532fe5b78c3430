# SPDX-License-Identifier: Apache-2.0
"""The fake driver in a process whose services fail as a test says, while it runs.

A test names steps that fail in a file, and the daemon reads it at each step: calls of the driver, of the services
beside it (network, images, volumes, filters) and to other daemons.  A step is `object.method`:

    {"number": 7, "faults": {"driver.spawn": "error once", "volume.attachment_update": "service gone"}}

Configured with `compute_driver = nova.tests.functional.faulty_driver.FaultyDriver`; the environment tells the file.
"""

import errno
import functools
import inspect
import json
import os
import pathlib
import sys

import oslo_messaging

from nova import concurrency, exception
from nova.compute import rpcapi as compute_rpcapi
from nova.conductor import rpcapi as conductor_rpcapi
from nova.image import api as image_api
from nova.image.glance import GlanceConnectionFailed
from nova.network import api as network_api
from nova.network import linux_net
from nova.scheduler import rpcapi as scheduler_rpcapi
from nova.share import api as share_api
from nova.virt import driver, fake
from nova.virt.libvirt import imagebackend
from nova.volume import api as volume_api

#: Names the file.
PLAN = 'NOVA_TEST_FAULTS'
#: Seconds that a 'slow' step takes.
SLOW_S = 2

#: What each kind of fault raises; a function of the step.
KINDS = {
    'error': lambda step: fake.FakeFailure(call=step),
    # What the libvirt driver raises when a disk does not fit, and what any write does.
    'disk full': lambda step: imagebackend.NoSpace(size=1 << 30),
    'no space': lambda step: OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), '/var/lib/nova/instances'),
    'no image': lambda step: exception.ImageNotFound(image_id='that was there before'),
    'image service gone': lambda step: GlanceConnectionFailed(reason='nobody answers'),
    'service gone': lambda step: exception.Unavailable('The service does not answer.'),
    'no address': lambda step: exception.NoMoreFixedIps(net='private'),
    'broker gone': lambda step: oslo_messaging.MessageDeliveryFailure('the broker is gone'),
    'no answer': lambda step: oslo_messaging.MessagingTimeout('nobody answered in time'),
}
#: What needs no exception: the call is not made, or takes long.
LOST, SLOW = 'lost', 'slow'

_SERVICES = {'network': network_api.API, 'image': image_api.API, 'volume': volume_api.API,
             'firewall': linux_net.Firewall, 'compute': compute_rpcapi.ComputeAPI,
             'share': share_api.API,
             'conductor': conductor_rpcapi.ConductorAPI, 'scheduler': scheduler_rpcapi.SchedulerAPI}
# {(number of the plan, step): how often it was come by}
_counts = {}


def sign_of_fault(plan, number):
    """Path of the file that is there as soon as a step of a plan (the path of its file, its number) has failed."""
    return pathlib.Path(f'{plan}.met{number}')


def _fault_of(step):
    """The kind of fault that the step has now, or None."""
    try:
        with open(os.environ[PLAN], encoding='utf-8') as file:
            plan = json.load(file)
    except (KeyError, FileNotFoundError):
        return None
    kind = plan['faults'].get(step)
    if kind is None:
        return None
    key = (plan['number'], step)
    _counts[key] = _counts.get(key, 0) + 1
    if kind.endswith(' once') and _counts[key] > 1:
        return None
    sign_of_fault(os.environ[PLAN], plan['number']).touch()
    return kind.removesuffix(' once')


def _failing(step, function):
    @functools.wraps(function)
    def call(*args, **kwargs):
        # Who looks after guests beside all actions would take the one fault that is meant for a step of an action.
        beside = sys._getframe(1).f_globals['__name__'] == 'nova.compute.power_sync'
        kind = None if beside else _fault_of(step)
        if kind == LOST:
            return None
        if kind == SLOW:
            concurrency.sleep(SLOW_S)
        elif kind is not None:
            raise KINDS[kind](step)
        return function(*args, **kwargs)
    return call


def _fail(cls, prefix, names):
    for name in names:
        setattr(cls, name, _failing(f'{prefix}.{name}', getattr(cls, name)))


class FaultyDriver(fake.FakeDriver):
    """See the module."""


_fail(FaultyDriver, 'driver', [
    name for name, function in inspect.getmembers(fake.FakeDriver, inspect.isfunction)
    if hasattr(driver.ComputeDriver, name) and not name.startswith('_')])
for _prefix, _cls in _SERVICES.items():
    _fail(_cls, _prefix, [name for name, function in vars(_cls).items()
                          if inspect.isfunction(function) and not name.startswith('_')])
