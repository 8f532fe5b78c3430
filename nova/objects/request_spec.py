# SPDX-License-Identifier: Apache-2.0
"""What was asked for, as the scheduler needs it, and what the scheduler answers."""

import collections
import copy
import re

from nova import db, exception
from nova.objects import base, fields

# resources:CLASS, resources1:CLASS, resources_NAME:CLASS; groups are all of one node here
_SCOPED = re.compile(r'(resources|trait)(?:\d+|_[A-Za-z0-9_-]+)?:([A-Z0-9_]+)$')


@base.register
class RequestSpec(base.NovaObject):
    """A request for servers of one kind.

    `requested_destination` is {'host', 'node', 'cell'}; `retry` is {'num_attempts', 'hosts': [[host, node], ...]};
    hints map to lists of strings.
    """

    fields = {
        'instance_uuid': fields.optional(),
        'flavor': fields.ObjectField('Flavor', nullable=True),
        'image': fields.ObjectField('ImageMeta', nullable=True),
        'num_instances': fields.IntegerField(default=1),
        'project_id': fields.optional(),
        'user_id': fields.optional(),
        'availability_zone': fields.optional(),
        'scheduler_hints': fields.JsonField(default={}),
        'requested_destination': fields.JsonField(nullable=True),
        'ignore_hosts': fields.JsonField(default=[]),
        'force_hosts': fields.JsonField(default=[]),
        'force_nodes': fields.JsonField(default=[]),
        'instance_group': fields.ObjectField('InstanceGroup', nullable=True),
        'requested_networks': fields.ObjectField('NetworkRequestList', nullable=True),
        'security_groups': fields.JsonField(default=[]),
        'retry': fields.JsonField(nullable=True),
        'limits': fields.JsonField(default={}),
        'is_bfv': fields.BooleanField(default=False),
        'pci_requests': fields.JsonField(nullable=True),
        'numa_topology': fields.JsonField(nullable=True),
    }

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            if not self.obj_attr_is_set(name):
                self.trust(name, None if field.nullable else copy.copy(field.default))

    # In the units a claim is made in.

    def _scoped(self, scope, specs):
        for name, value in (specs or {}).items():
            match = _SCOPED.match(name)
            if match is not None and match[1] == scope:
                yield match[2], value

    @property
    def _resources(self):
        """{class: amount}, of all classes that the flavor's extra specs name."""
        amounts = collections.Counter()
        for name, amount in self._scoped('resources', self.flavor.extra_specs):
            amounts[name] += int(amount)
        return amounts

    @property
    def resources(self):
        """{class: amount}, of classes besides CPU, memory and disk, which have amounts of their own."""
        return {name: amount for name, amount in self._resources.items()
                if amount and name not in ('VCPU', 'PCPU', 'MEMORY_MB', 'DISK_GB')}

    def traits(self, value):
        """The traits that flavor and image say are 'required' or 'forbidden'."""
        properties = self.image.properties if self.image is not None else None
        return {name for specs in (self.flavor.extra_specs, properties)
                for name, said in self._scoped('trait', specs) if said == value}

    @property
    def vcpus(self):
        return self._resources.get('VCPU', self.flavor.vcpus)

    @property
    def memory_mb(self):
        return self._resources.get('MEMORY_MB', self.flavor.memory_mb)

    @property
    def root_gb(self):
        return 0 if self.is_bfv else self.flavor.root_gb

    @property
    def ephemeral_gb(self):
        return self.flavor.ephemeral_gb

    @property
    def swap(self):
        return self.flavor.swap

    @property
    def disk_gb(self):
        """Root, ephemeral and swap disk together, in GiB, swap rounded up."""
        if 'DISK_GB' in self._resources:
            return self._resources['DISK_GB']
        return self.root_gb + self.ephemeral_gb + -(-self.swap // 1024)

    def get_scheduler_hint(self, name, default=None):
        """The hint, as the text it was if it was only one."""
        value = (self.scheduler_hints or {}).get(name, default)
        return value[0] if isinstance(value, list) and len(value) == 1 else value

    @base.remotable_classmethod
    def get_by_instance_uuid(cls, context, instance_uuid):
        with db.session.api_reader(context) as conn:
            primitive = db.request_specs.by_instance(conn, instance_uuid)
        if primitive is None:
            raise exception.NotFound(f'Server {instance_uuid} has no request spec.')
        spec = cls.obj_from_primitive(primitive, context=context)
        spec.instance_uuid = instance_uuid
        return spec

    @base.remotable
    @base.retried
    def save(self):
        with db.session.api_writer(self._context) as conn:
            db.request_specs.update(conn, self.instance_uuid, self.obj_to_primitive())
        self.obj_reset_changes()


@base.register
class Selection(base.NovaObject):
    """A host that the scheduler chose, and claimed for the server (alternates are not claimed)."""

    fields = {
        'host': fields.StringField(),
        'node': fields.StringField(),
        'cell_uuid': fields.optional(),
        'compute_node_id': fields.optional(fields.IntegerField),
        'compute_node_uuid': fields.optional(),
        'availability_zone': fields.optional(),
        'claimed': fields.BooleanField(default=False),
        'limits': fields.JsonField(default={}),
        # {'numa': cells, 'pci': devices}, where on the host it is; see `nova.scheduler.placement`
        'placement': fields.JsonField(nullable=True),
    }

    @property
    def nodename(self):
        return self.node
