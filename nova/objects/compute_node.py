# SPDX-License-Identifier: Apache-2.0
"""Compute nodes: what each hypervisor has, and how much of it is promised."""

from oslo_utils import uuidutils

from nova import db, exception
from nova.objects import base, fields
from nova.objects import cell as cells


@base.register
class ComputeNode(base.TimestampedObject, base.NovaObject):
    """Memory in MiB, disk in GiB.  The used amounts are the sum of the claims; saving never changes them."""

    fields = {
        'id': fields.IntegerField(),
        'uuid': fields.UUIDField(),
        'service_id': fields.optional(fields.IntegerField),
        'host': fields.optional(),
        'hypervisor_hostname': fields.optional(),
        'hypervisor_type': fields.optional(),
        'hypervisor_version': fields.optional(fields.IntegerField),
        'host_ip': fields.optional(),
        'cpu_info': fields.optional(),
        **{name: fields.IntegerField(default=0) for name in (
            'vcpus', 'memory_mb', 'local_gb', 'reserved_vcpus', 'reserved_memory_mb', 'reserved_disk_gb',
            'vcpus_used', 'memory_mb_used', 'local_gb_used', 'servers_used', 'generation', 'reports',
            'mapped')},
        **{name: fields.FloatField(default=1.0) for name in (
            'cpu_allocation_ratio', 'ram_allocation_ratio', 'disk_allocation_ratio')},
        **{name: fields.optional(fields.IntegerField) for name in (
            'current_workload', 'running_vms', 'disk_available_least')},
        'uptime': fields.optional(),
        **{name: fields.JsonField(nullable=True) for name in (
            'supported_hv_specs', 'stats', 'metrics', 'pci_stats', 'numa_topology', 'traits', 'inventory',
            'inventory_used')},
        'deleted': fields.BooleanField(default=False),
    }

    @property
    def free_ram_mb(self):
        return self.memory_mb - self.memory_mb_used - self.reserved_memory_mb

    @property
    def free_disk_gb(self):
        return self.local_gb - self.local_gb_used - self.reserved_disk_gb

    @property
    def nodename(self):
        return self.hypervisor_hostname

    @base.remotable_classmethod
    @base.retried
    def report(cls, context, host, nodename, values):
        """Store what a host says of one of its nodes, making the row (and the host's mapping) at first contact."""
        c = db.compute_nodes
        with db.session.writer(context) as conn:
            row = c.by_host_and_node(conn, host, nodename)
            if row is None:
                service = db.services.by_host_and_binary(conn, host, 'nova-compute')
                node_id = c.insert(conn, {'uuid': uuidutils.generate_uuid(), 'host': host,
                                          'hypervisor_hostname': nodename,
                                          'service_id': service['id'] if service else None, **values})
                row, new = c.by_id(conn, node_id), True
            else:
                new = False
                if any(row[name] != value for name, value in values.items()):
                    c.update(conn, row['id'], values)
                    row = c.by_id(conn, row['id'])
        if new:
            _map_host(context, host)
        return cls.from_row(context, row)

    @classmethod
    def _found(cls, context, row, what):
        if row is None:
            raise exception.ComputeHostNotFound(host=what)
        return cls.from_row(context, row)

    @base.remotable_classmethod
    def get_by_id(cls, context, node_id):
        with db.session.reader(context) as conn:
            return cls._found(context, db.compute_nodes.by_id(conn, node_id), node_id)

    @base.remotable_classmethod
    def get_by_uuid(cls, context, uuid):
        with db.session.reader(context) as conn:
            return cls._found(context, db.compute_nodes.by_uuid(conn, uuid), uuid)

    @base.remotable_classmethod
    def get_by_host_and_nodename(cls, context, host, nodename):
        with db.session.reader(context) as conn:
            return cls._found(context, db.compute_nodes.by_host_and_node(conn, host, nodename), f'{host}:{nodename}')

    @base.remotable
    @base.retried
    def destroy(self):
        """Forget it, unless servers are on it or on their way to it; whether it is forgotten."""
        with db.session.writer(self._context) as conn:
            return (db.compute_nodes.soft_delete(conn, self.id, if_unused=True)
                    or db.compute_nodes.by_id(conn, self.id) is None)


@base.retried
def _map_host(context, host):
    """Hosts are discovered at first contact: note in which cell they are."""
    cell = context.cell or cells.CellMappingList.configured(context)
    if cell is None or cell.is_cell0:
        return
    with db.session.api_writer(context) as conn:
        if db.mappings.host(conn, host) is None:
            db.mappings.insert_host(conn, host, cell.id)


@base.register
class ComputeNodeList(base.NovaObjectList):
    fields = {'objects': fields.ListOfObjectsField('ComputeNode')}

    @classmethod
    def _of_rows(cls, context, rows):
        return cls.from_rows(context, rows)

    @base.remotable_classmethod
    def get_all(cls, context):
        with db.session.reader(context) as conn:
            return cls._of_rows(context, db.compute_nodes.select(conn))

    @base.remotable_classmethod
    def get_by_host(cls, context, host):
        with db.session.reader(context) as conn:
            return cls._of_rows(context, db.compute_nodes.of_host(conn, host))

    @base.remotable_classmethod
    def get_by_ids(cls, context, node_ids):
        with db.session.reader(context) as conn:
            return cls._of_rows(context, db.compute_nodes.by_ids(conn, node_ids))

    @base.remotable_classmethod
    def get_changed_since(cls, context, when):
        """Nodes inserted, changed, claimed or deleted at `when` or later; deleted ones too."""
        with db.session.reader(context) as conn:
            return cls._of_rows(context, db.compute_nodes.changed_since(conn, base.naive(when)))

    @classmethod
    def marks_since(cls, context, when):
        """What tells of the same nodes whether and how they changed; rows of the database.

        For services that have a database: nothing is made of it that could travel.
        """
        with db.session.reader(context) as conn:
            return db.compute_nodes.marks_since(conn, base.naive(when))

    @base.remotable_classmethod
    def get_by_pagination(cls, context, limit=None, marker=None):
        """Nodes by id, those after the id `marker`."""
        c = db.compute_nodes.compute_nodes.c
        with db.session.reader(context) as conn:
            rows = db.compute_nodes.select(conn, *([c.id > marker] if marker is not None else []), limit=limit)
        return cls._of_rows(context, rows)

    @base.remotable_classmethod
    def get_by_hypervisor(cls, context, pattern):
        """Nodes whose hypervisor_hostname contains the text."""
        c = db.compute_nodes.compute_nodes.c
        with db.session.reader(context) as conn:
            return cls._of_rows(context, db.compute_nodes.select(
                conn, c.hypervisor_hostname.contains(pattern, autoescape=True)))

    @base.remotable_classmethod
    def statistics(cls, context):
        """The sums over all nodes whose service is enabled."""
        with db.session.reader(context) as conn:
            s = db.services.services.c
            disabled = [row['host'] for row in db.services.select(conn, s.binary == 'nova-compute',
                                                                  s.disabled.is_(True))]
            c = db.compute_nodes.compute_nodes.c
            return db.compute_nodes.totals(conn, *([c.host.not_in(disabled)] if disabled else []))
