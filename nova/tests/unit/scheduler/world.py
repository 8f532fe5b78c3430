# SPDX-License-Identifier: Apache-2.0
"""A cell in a database of its own, with hosts, for the scheduler's tests."""

import pathlib
import tempfile
import unittest

import sqlalchemy as sa
from oslo_utils import uuidutils

from nova import context, db, objects
from nova.conf import CONF
from nova.db.types import utcnow
from nova.objects import cell as cell_objects
from nova.scheduler import host_manager, request
from nova.tests import database as databases


def make_flavor(**values):
    return objects.Flavor(**{'id': 1, 'name': 'm1.test', 'flavorid': '1', 'memory_mb': 1024, 'vcpus': 1, 'root_gb': 10,
                             'ephemeral_gb': 0, 'swap': 0, 'extra_specs': {}, **values})


def make_spec(image=None, **values):
    """A request spec; flavor fields and image properties by their names."""
    sizes = {name: values.pop(name) for name in ('memory_mb', 'vcpus', 'root_gb', 'ephemeral_gb', 'swap')
             if name in values}
    sizes['extra_specs'] = values.pop('extra_specs', {})
    return objects.RequestSpec(flavor=make_flavor(**sizes), image=objects.ImageMeta(id='i', properties=image or {}),
                               **{'project_id': 'p', 'user_id': 'u', 'num_instances': 1, **values})


def make_request(**values):
    return request.Request(context.get_admin_context(), make_spec(**values))


def make_service(**values):
    now = utcnow()
    return {'uuid': uuidutils.generate_uuid(), 'binary': 'nova-compute', 'topic': 'compute', 'last_seen_up': now,
            'created_at': now, 'updated_at': now, **values}


def make_state(host='h1', zone=None, service=True, aggregates=(), **values):
    """A host state that is up; columns of its compute node by their names, aggregates by their metadata."""
    node = objects.ComputeNode(**{
        'id': 1, 'uuid': uuidutils.generate_uuid(), 'host': host, 'hypervisor_hostname': host, 'vcpus': 4,
        'memory_mb': 4096, 'local_gb': 100, 'reserved_vcpus': 0, 'reserved_memory_mb': 0, 'reserved_disk_gb': 0,
        'vcpus_used': 0, 'memory_mb_used': 0, 'local_gb_used': 0, 'servers_used': 0, 'generation': 0, 'reports': 0,
        'cpu_allocation_ratio': 1.0, 'ram_allocation_ratio': 1.0, 'disk_allocation_ratio': 1.0,
        'hypervisor_version': 1002003,
        'supported_hv_specs': [['x86_64', 'qemu', 'hvm']], 'stats': None, **values})
    state = host_manager.HostState(host, node.hypervisor_hostname, node)
    state.update_aggregates([objects.Aggregate(id=number, uuid=uuidutils.generate_uuid(), name=f'a{number}',
                                               hosts=[host], metadata=metadata)
                             for number, metadata in enumerate(aggregates)])
    if zone is not None:
        state.availability_zone = zone
    if service:
        more = service if isinstance(service, dict) else {}
        state.update_service(objects.Service.from_row(None, {
            'id': 1, 'disabled': False, 'forced_down': False, **make_service(host=host, **more)}))
    return state


class World(unittest.TestCase):
    """Tests with a database of their own: SQLite, in a file, unless `make_database` says otherwise."""

    def setUp(self):
        super().setUp()
        db.session.dispose()
        self.set('connection', self.make_database(), 'database')
        self.set('refresh_interval', 0.0, 'scheduler')
        self.addCleanup(db.session.dispose)
        cell_objects.forget_cache()
        self.context = context.get_admin_context()
        self.engine = db.session.engine(db.session.main_url())
        self.statements = []
        sa.event.listen(self.engine, 'before_cursor_execute', self._note)

    def make_database(self):
        """URL of a database with all tables and nothing in them, which goes with the test."""
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        file = pathlib.Path(directory.name, 'nova.sqlite')
        databases.make_file(file)
        return f'sqlite:///{file}'

    def set(self, name, value, group=None):
        CONF.set_override(name, value, group=group)
        self.addCleanup(CONF.clear_override, name, group=group)

    def _note(self, _conn, _cursor, statement, *_rest):
        if not statement.startswith(('PRAGMA', 'BEGIN')):
            self.statements.append(statement)

    def add_host(self, host, service=True, **values):
        """A host with its service, which is up; returns the node's number."""
        values = {'vcpus': 4, 'memory_mb': 4096, 'local_gb': 100, 'hypervisor_hostname': host,
                  'supported_hv_specs': [['x86_64', 'qemu', 'hvm']], 'hypervisor_version': 1002003, **values}
        with db.session.writer(self.context) as conn:
            if service:
                db.services.insert(conn, make_service(host=host, **(service if isinstance(service, dict) else {})))
            return db.compute_nodes.insert(conn, {'uuid': uuidutils.generate_uuid(), 'host': host, **values})

    def node(self, node_id):
        with db.session.reader(self.context) as conn:
            return db.compute_nodes.by_id(conn, node_id)

    def used(self, node_id):
        """(vcpus, memory_mb, disk_gb) promised on a node."""
        row = self.node(node_id)
        return row['vcpus_used'], row['memory_mb_used'], row['local_gb_used']

    def assert_used_is_claimed(self):
        self.assertEqual([], objects.Claim.check(self.context))

    @staticmethod
    def uuids(count):
        return [uuidutils.generate_uuid() for _number in range(count)]
