# SPDX-License-Identifier: Apache-2.0
"""What was asked for, as the scheduler needs it, and what the scheduler answers."""

from nova import db, exception
from nova.objects import base, fields


@base.register
class RequestSpec(base.NovaObject):
    """A request for servers of one kind.

    `requested_destination` is {'host', 'node'}; `retry` is {'num_attempts', 'hosts': [[host, node], ...]}; hints map to
    lists of strings.
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
        self.obj_set_defaults()
        for name in self.fields:
            if not self.obj_attr_is_set(name) and self.fields[name].nullable:
                self.trust(name, None)

    # In the units a claim is made in.

    @property
    def vcpus(self):
        return self.flavor.vcpus

    @property
    def memory_mb(self):
        return self.flavor.memory_mb

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
    }

    @property
    def nodename(self):
        return self.node
