# SPDX-License-Identifier: Apache-2.0
"""Servers by the name that booting from volumes once had.  (/os-volumes_boot, until 2.102)

Everything is as under /servers, the rules of policy included; links name /servers.
"""

import functools

from nova.api.openstack import wsgi
from nova.api.openstack.compute import servers  # noqa: F401  its modules declare what is repeated here
from nova.api.openstack.compute.servers import resource

LAST = '2.102'
PATH = '/os-volumes_boot'
_ACTIONS = '/servers/{server_id}'


def _alias(function):
    """The handler once more, with its routes ending at LAST."""
    @functools.wraps(function)
    def handler(*args, **kwargs):
        return function(*args, **kwargs)
    handler.routes = [(method, suffix, {**declared, 'until': _sooner(declared.get('until'))})
                      for method, suffix, declared in function.routes]
    return handler


def _sooner(until):
    return min(until or LAST, LAST, key=lambda version: int(version.split('.')[1]))


def _again(cls, path, wanted):
    """A resource with the routes of another that `wanted(declared)` names, below another path; or None."""
    handlers = {}
    for name, function in vars(cls).items():
        if any(wanted(declared) for _method, _suffix, declared in getattr(function, 'routes', ())):
            handlers[name] = _alias(function)
    return type(f'{cls.__name__}OfVolumesBoot', (cls,), {
        **handlers, 'path': path, '__doc__': cls.__doc__, '__module__': __name__}) if handlers else None


#: Resources are found as subclasses, which nothing else keeps alive.
RESOURCES = [_again(resource.Servers, PATH, lambda declared: True), *(
    _again(cls, f'{PATH}/{{server_id}}', lambda declared: declared.get('action') is not None)
    for cls in wsgi.Resource.__subclasses__() if cls.path == _ACTIONS)]
