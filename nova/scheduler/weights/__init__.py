# SPDX-License-Identifier: Apache-2.0
"""Weighers: each says how good a host is, in numbers of its own; more is better.

The numbers of each weigher are normalised to 0..1 over the hosts that passed, multiplied, and added up, here and
nowhere else.  A weigher of our own is a file in this package with a class derived from `Weigher`; one from elsewhere
may derive from `BaseHostWeigher` and have the documented `weight_multiplier` and `_weigh_object`.
"""

import functools
import importlib
import inspect
import itertools
import pkgutil

from nova import exception
from nova.conf import CONF
from nova.scheduler import filters
from nova.scheduler.filters import utils


class WeighedHost:
    """A host and its weight."""

    def __init__(self, obj, weight=0.0):
        self.obj = obj
        self.weight = weight

    def __repr__(self):
        return f'<WeighedHost {self.obj!r}: {self.weight:.3f}>'


class BaseHostWeigher:
    """The documented contract of a weigher."""

    #: Bounds for normalising; None: the least and the greatest number there is.
    minval = None
    maxval = None

    @property
    def name(self):
        return type(self).__name__

    def weight_multiplier(self, host_state=None):
        """How much this weigher counts."""
        return 1.0

    def applies(self, request):
        """Whether the weigher has anything to say about this request."""
        return True

    def _weigh_object(self, host_state, weight_properties):
        """The number of one host."""
        raise NotImplementedError()

    def weigh_objects(self, weighed_obj_list, weight_properties):
        """The numbers of all hosts, a list.  For weighers that must see all hosts to weigh one."""
        return [self._weigh_object(weighed.obj, weight_properties) for weighed in weighed_obj_list]


class Weigher(BaseHostWeigher):
    """A weigher by one column of the hosts, whose multiplier is an option."""

    #: Name of the attribute of a host state, and of the column of many.
    column = None
    #: Name of the multiplier: in [filter_scheduler], and as a key of aggregates, which say otherwise for their hosts.
    option = None

    def weight_multiplier(self, host_state=None):
        return multiplier(self.option, host_state)

    def sign(self, request):
        """1; or -1 where less of the column is better for this request."""
        return 1

    def _weigh_object(self, host_state, weight_properties):
        return self.sign(weight_properties) * getattr(host_state, self.column)


def multiplier(option, host_state=None):
    """What an option says, or the least that the host's aggregates say under its name."""
    default = getattr(CONF.filter_scheduler, option)
    return default if host_state is None else utils.aggregate_number(host_state, option, default, float)


def normalize(weight_list, minval=None, maxval=None):
    """The numbers between 0 and 1, relative to the bounds or else to their least and greatest; all equal: all 0."""
    if not weight_list:
        return []
    low = min(weight_list) if minval is None else minval
    high = max(weight_list) if maxval is None else maxval
    if high == low:
        return [0.0] * len(weight_list)
    return [(value - low) / (high - low) for value in weight_list]


def shares(weighers, hosts, request):
    """{weigher: [its part of each host's weight]}: normalised and multiplied."""
    weighed = [WeighedHost(host) for host in hosts]
    found = {}
    for weigher in weighers:
        try:
            values = normalize([float(value) for value in weigher.weigh_objects(weighed, request)], weigher.minval,
                               weigher.maxval)
        except Exception as exc:
            raise filters.FilterError(name=weigher.name, host=f'one of {len(hosts)}',
                                      error=f'{type(exc).__name__}: {exc}') from exc
        found[weigher.name] = [value * _multiplier(weigher, host) for value, host in zip(values, hosts, strict=True)]
    return found


def _multiplier(weigher, host):
    method = weigher.weight_multiplier
    # The documented form takes no host.
    return method(host) if _takes_host(type(weigher)) else method()


@functools.cache
def _takes_host(cls):
    return len(inspect.signature(cls.weight_multiplier).parameters) > 1


def weigh(weighers, hosts, request):
    """[weight], one for each host."""
    totals = [0.0] * len(hosts)
    for values in shares(weighers, hosts, request).values():
        totals = [total + value for total, value in zip(totals, values, strict=True)]
    return totals


def can_use_columns(weighers):
    """Whether all weighers weigh by columns, so that many hosts can be weighed at once."""
    return all(isinstance(weigher, Weigher) and type(weigher).weigh_objects is BaseHostWeigher.weigh_objects
               and type(weigher)._weigh_object is Weigher._weigh_object for weigher in weighers)


def weigh_columns(weighers, hosts, indexes, request):
    """The same over columns: an array of the weights of the hosts at `indexes`."""
    total = hosts.array(itertools.repeat(0.0, len(indexes)))
    for weigher in weighers:
        multiplier_ = _multiplier_of_many(weigher, hosts, indexes)
        if isinstance(multiplier_, float) and not multiplier_:
            continue
        values = getattr(hosts, weigher.column)[indexes]
        if weigher.sign(request) < 0:
            values = -values
        low = values.min() if weigher.minval is None else weigher.minval
        high = values.max() if weigher.maxval is None else weigher.maxval
        if high != low:
            total += (values - low) * (multiplier_ / (high - low))
    return total


def _multiplier_of_many(weigher, hosts, indexes):
    if weigher.option not in hosts.aggregate_keys:
        return _multiplier(weigher, None)
    return hosts.array(weigher.weight_multiplier(hosts.hosts[index]) for index in indexes)


def all_weighers():
    """All weigher classes of this package."""
    found = []
    for info in sorted(pkgutil.iter_modules(__path__), key=lambda info: info.name):
        module = importlib.import_module(f'{__name__}.{info.name}')
        found += [cls for _name, cls in inspect.getmembers(module, inspect.isclass)
                  if issubclass(cls, BaseHostWeigher) and cls.__module__ == module.__name__]
    return found


def load(paths):
    """The weighers at these dotted paths, built.  Raises ConfigInvalid naming the option."""
    option = '[filter_scheduler]weight_classes'
    found = [cls() for path in paths for cls in filters.classes_at(path, option)]
    for weigher in found:
        if not hasattr(weigher, 'weigh_objects'):
            raise exception.ConfigInvalid(option=option, reason=f'{type(weigher).__name__} is no weigher.')
    return found
