# SPDX-License-Identifier: Apache-2.0
"""A request as filters and weighers see it."""

import collections
import typing

from nova import numa
from nova.conf import CONF
from nova.pci import devices as pci
from nova.scheduler import traits


class Amounts(typing.NamedTuple):
    """What a server is promised of a host: count, MiB, GiB, {resource class: amount}."""

    vcpus: int
    memory_mb: int
    disk_gb: int
    resources: dict = {}


class Request:
    """What is wanted: amounts (count, MiB, GiB), conditions, hints.

    Everything of the `nova.objects.RequestSpec` is an attribute of it too (`request.flavor`, `request.project_id`),
    so filters written for a request spec work.  Filters written for the documented dictionary of filter properties
    work as well: `request.get('instance_type')['memory_mb']`, `request['scheduler_hints']`.
    """

    def __init__(self, context, spec):
        self.context = context
        self.spec = spec
        self.vcpus = spec.vcpus
        self.memory_mb = spec.memory_mb
        self.disk_gb = spec.disk_gb
        self.resources = spec.resources
        self.amounts = Amounts(self.vcpus, self.memory_mb, self.disk_gb, self.resources)
        self.extra_specs = spec.flavor.extra_specs or {}
        self.numa = numa.constraints(self.extra_specs, self._properties(spec), spec.flavor.vcpus, spec.flavor.memory_mb)
        self.pci = pci.requests_of(self.extra_specs, self._properties(spec))
        self.required_traits = spec.traits('required') | traits.needed(spec)
        self.forbidden_traits = spec.traits('forbidden')
        wanted = spec.availability_zone or CONF.default_schedule_zone
        self.zones = frozenset(zone.strip() for zone in wanted.split(',') if zone.strip()) if wanted else frozenset()
        self.image_properties = self._properties(spec)
        self.ignore_hosts = frozenset(spec.ignore_hosts or ())
        self.force_hosts = frozenset(spec.force_hosts or ())
        self.force_nodes = frozenset(spec.force_nodes or ())
        destination = spec.requested_destination or {}
        self.destination_host = destination.get('host')
        self.destination_node = destination.get('node')
        self.tried = frozenset((host, node) for host, node in (spec.retry or {}).get('hosts') or ())
        #: {'cell': uuid or None} for a server that a cell has: it stays there.
        self.source = {'cell': destination['cell']} if 'cell' in destination else None
        #: {uuid: host} of the servers that hints name; see `named_instances`.
        self.instance_hosts = {}
        group = spec.instance_group
        self.group_policy = group.policy if group is not None else None
        #: How many servers of the group one host may have, for anti-affinity.
        self.group_limit = int(((group.rules if group is not None else None) or {}).get('max_server_per_host', 1))
        #: {uuid: host} of the other servers of the group; see `nova.scheduler.groups`.
        self.member_hosts = {}
        #: Hosts that servers of this request were placed on in memory, and how many.
        self.placed = collections.Counter()

    @staticmethod
    def _properties(spec):
        return (spec.image.properties if spec.image is not None else None) or {}

    def hosts_of_group(self):
        """{host: how many servers of the group}, those that are being placed too."""
        return collections.Counter(self.member_hosts.values()) + self.placed

    @property
    def is_forced(self):
        """Whether an administrator named the host or node, so that no filter is asked."""
        return bool(self.force_hosts or self.force_nodes)

    @property
    def is_rebuild(self):
        """Whether a server stays where it is, and gets another image."""
        return bool((self.spec.requested_destination or {}).get('is_rebuild'))

    def hint(self, name):
        """The values of a scheduler hint, a list; empty when it is not given."""
        value = (self.spec.scheduler_hints or {}).get(name)
        if value is None or value == '':
            return []
        return list(value) if isinstance(value, (list, tuple)) else [value]

    def named_instances(self):
        """UUIDs of the servers whose hosts filters will ask for."""
        return {uuid for name in ('same_host', 'different_host') for uuid in self.hint(name)}

    # The face of a request spec .....................................................................................

    def __getattr__(self, name):
        if name.startswith('__') or name == 'spec':
            raise AttributeError(name)
        return getattr(self.spec, name)

    # The face of filter properties ..................................................................................

    def get(self, name, default=None):
        getter = _PROPERTIES.get(name)
        return getter(self) if getter is not None else default

    def __getitem__(self, name):
        return _PROPERTIES[name](self)

    def __contains__(self, name):
        return name in _PROPERTIES


class _ByItem:
    """An object whose attributes can be read as the items of a dictionary too."""

    def __init__(self, thing):
        self._thing = thing

    def __getattr__(self, name):
        return getattr(self._thing, name)

    def __getitem__(self, name):
        try:
            return getattr(self._thing, name)
        except AttributeError:
            raise KeyError(name) from None

    def get(self, name, default=None):
        return getattr(self._thing, name, default)


def _hints(request):
    values = {name: request.hint(name) for name in request.spec.scheduler_hints or ()}
    return {name: value[0] if len(value) == 1 else value for name, value in values.items()}


def _request_spec(request):
    flavor = _ByItem(request.spec.flavor)
    image = {'properties': request.image_properties}
    if request.spec.image is not None:
        image['id'] = request.spec.image.id
    return {'image': image, 'instance_type': flavor, 'num_instances': request.spec.num_instances,
            'instance_properties': {'project_id': request.spec.project_id, 'user_id': request.spec.user_id,
                                    'availability_zone': request.spec.availability_zone, 'vcpus': request.vcpus,
                                    'memory_mb': request.memory_mb, 'root_gb': request.spec.root_gb,
                                    'ephemeral_gb': request.spec.ephemeral_gb, 'uuid': request.spec.instance_uuid}}


# The documented dictionary of filter properties, by key.
_PROPERTIES = {
    'context': lambda request: request.context,
    'instance_type': lambda request: _ByItem(request.spec.flavor),
    'request_spec': _request_spec,
    'scheduler_hints': _hints,
    'ignore_hosts': lambda request: sorted(request.ignore_hosts),
    'force_hosts': lambda request: sorted(request.force_hosts),
    'force_nodes': lambda request: sorted(request.force_nodes),
    'retry': lambda request: request.spec.retry or {'num_attempts': 1, 'hosts': []},
    'limits': lambda request: request.spec.limits or {},
    'pci_requests': lambda request: request.spec.pci_requests,
    'project_id': lambda request: request.spec.project_id,
    'config_options': lambda request: {},
}
