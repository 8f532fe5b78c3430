# SPDX-License-Identifier: Apache-2.0
"""Filters: each says which hosts cannot take a server, and why.

One of our own is a file in this package with a class derived from `HostFilter`.  One from elsewhere may derive from
`BaseHostFilter` and have only the documented `host_passes`; it then refuses without a reason.  Which are asked, and in
which order, is [filter_scheduler]enabled_filters.
"""

import functools
import importlib
import inspect
import pkgutil

from nova import exception
from nova.scheduler import diagnosis


class FilterError(exception.NovaException):
    """A bug in a filter: the request stops, and no host is blamed."""

    msg_fmt = 'Filter %(name)s failed for host %(host)s: %(error)s'


class BaseHostFilter:
    """The documented contract of a filter."""

    #: Ask only for the first server of a request for several, not again after each was placed.
    run_filter_once_per_request = False
    #: Ask also when a server gets another image on the host where it is: the filter looks at images.
    RUN_ON_REBUILD = False

    @property
    def name(self):
        """What it is called in options, logs, metrics and refusals."""
        return type(self).__name__

    def host_passes(self, host_state, filter_properties):
        """Whether the host can take the server.

        :param host_state: `nova.scheduler.host_manager.HostState`.
        :param filter_properties: `nova.scheduler.request.Request`: a request spec, and a dictionary of filter
            properties to those who take it for one.
        """
        raise NotImplementedError()

    def _filter_one(self, obj, filter_properties):
        return self.host_passes(obj, filter_properties)

    def filter_all(self, filter_obj_list, filter_properties):
        """Yield the hosts that pass.  For filters that must see all hosts to judge one."""
        for host in filter_obj_list:
            if self._filter_one(host, filter_properties):
                yield host

    def run_filter_for_index(self, index):
        """Whether to ask for the server number `index` of a request."""
        return not (self.run_filter_once_per_request and index > 0)

    def prepare(self, context, request):
        """Look up in the databases what the filter will need, once for each request.  Asking itself does no I/O."""

    def applies(self, request):
        """Whether the filter has anything to say about this request.  If not, no host is shown to it."""
        return True

    def refusals(self, hosts, request):
        """[None or Refusal], one for each host."""
        if type(self).filter_all is not BaseHostFilter.filter_all:
            passed = {id(host) for host in self.filter_all(list(hosts), request)}
            return [None if id(host) in passed else diagnosis.NO_REASON for host in hosts]
        return [None if self._filter_one(host, request) else diagnosis.NO_REASON for host in hosts]


class HostFilter(BaseHostFilter):
    """A filter that gives reasons.

    A filter says `refuse`; `applies` if there are requests it has nothing to say about; and `mask` if its rule can be
    told over columns, which is used where there are many hosts.
    """

    def refuse(self, host, request):
        """None, or why not: a `nova.scheduler.diagnosis.Refusal`."""
        raise NotImplementedError()

    #: `mask(hosts, request)`: the same rule over `nova.scheduler.columns.Columns`: an array of True (passes) and False.
    mask = None

    def host_passes(self, host_state, filter_properties):
        return not self.applies(filter_properties) or self.refuse(host_state, filter_properties) is None

    def refusals(self, hosts, request):
        return [self.refuse(host, request) for host in hosts]


def all_filters():
    """All filter classes of this package."""
    found = []
    for info in sorted(pkgutil.iter_modules(__path__), key=lambda info: info.name):
        module = importlib.import_module(f'{__name__}.{info.name}')
        found += [cls for _name, cls in inspect.getmembers(module, inspect.isclass)
                  if issubclass(cls, BaseHostFilter) and cls.__module__ == module.__name__]
    return found


#: Its older name.
standard_filters = all_filters


def load(paths, enabled):
    """The enabled filters, built, in their order.

    :param paths: dotted paths of filter classes, or of functions that return lists of them.
    :param enabled: class names.
    Raises ConfigInvalid naming the option.
    """
    classes = {}
    for path in paths:
        for cls in classes_at(path, '[filter_scheduler]available_filters'):
            classes[cls.__name__] = cls
    unknown = [name for name in enabled if name not in classes]
    if unknown:
        raise exception.ConfigInvalid(
            option='[filter_scheduler]enabled_filters',
            reason=f'{", ".join(unknown)}: no such filter. Available are {", ".join(sorted(classes))}.')
    return [classes[name]() for name in enabled]


def classes_at(path, option):
    """The classes that a dotted path names: one, or those a function returns.  Raises ConfigInvalid."""
    module_name, _dot, name = path.rpartition('.')
    try:
        thing = getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError, ValueError) as exc:
        raise exception.ConfigInvalid(option=option, reason=f'{path!r}: {exc}') from exc
    return [thing] if inspect.isclass(thing) else list(thing())


def guarded(method):
    """Name the filter in whatever goes wrong in it."""
    @functools.wraps(method)
    def call(filter_, hosts, request):
        try:
            return method(filter_, hosts, request)
        except Exception as exc:
            raise FilterError(name=filter_.name, error=f'{type(exc).__name__}: {exc}',
                              host=hosts[0].host if len(hosts) == 1 else f'one of {len(hosts)}') from exc
    return call


@guarded
def ask(filter_, hosts, request):
    """[None or Refusal] of a filter for these hosts.  Raises FilterError, naming the host too where one is to blame."""
    return filter_.refusals(hosts, request)


@guarded
def ask_columns(filter_, hosts, request):
    """The filter's mask over columns.  Raises FilterError."""
    return filter_.mask(hosts, request)
