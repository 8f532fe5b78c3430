# SPDX-License-Identifier: Apache-2.0
"""Cells, and which host and which server is in which."""

import contextlib
import time

from oslo_db import exception as db_exc
from oslo_log import log

from nova import concurrency, db, exception
from nova import context as nova_context
from nova.objects import base, fields

#: The cell of servers that no host has taken; by default the same database as the first cell.
CELL0_UUID = '00000000-0000-0000-0000-000000000000'
#: Seconds the list of cells is believed.
_CACHE_S = 30
_cache = {'at': None, 'cells': []}
LOG = log.getLogger(__name__)
#: How a database fails that is away.
AWAY = (db_exc.DBError, OSError)


@base.register
class CellMapping(base.TimestampedObject, base.NovaObject):
    """A cell.  Without a `database_connection` it is the configured database: [database]connection.

    That is unambiguous as long as there is one database; from the second cell on `nova-manage` writes them all out.
    """

    fields = {
        'id': fields.IntegerField(),
        'uuid': fields.UUIDField(),
        'name': fields.optional(),
        'transport_url': fields.optional(),
        'database_connection': fields.optional(),
        'disabled': fields.BooleanField(default=False),
    }

    @property
    def is_cell0(self):
        return self.uuid == CELL0_UUID

    @property
    def is_configured(self):
        """Whether its tables are those that this process is configured for."""
        return not self.database_connection or db.session.is_main(self.database_connection)

    @base.remotable_classmethod
    def get_by_uuid(cls, context, uuid):
        for cell in CellMappingList.get_all(context):
            if cell.uuid == uuid:
                return cell
        raise exception.CellMappingNotFound(uuid=uuid)

    @base.remotable
    @base.retried
    def create(self):
        with db.session.api_writer(self._context) as conn:
            self.trust('id', db.mappings.insert_cell(conn, self.column_changes()))
        self.obj_reset_changes()
        forget_cache()

    @base.remotable
    @base.retried
    def save(self):
        with db.session.api_writer(self._context) as conn:
            db.mappings.update_cell(conn, self.uuid, self.column_changes())
        self.obj_reset_changes()
        forget_cache()

    @base.remotable
    @base.retried
    def destroy(self):
        with db.session.api_writer(self._context) as conn:
            if not db.mappings.delete_cell(conn, self.uuid):
                raise exception.CellMappingNotFound(uuid=self.uuid)
        forget_cache()


def forget_cache():
    _cache['at'] = None


@base.register
class CellMappingList(base.NovaObjectList):
    fields = {'objects': fields.ListOfObjectsField('CellMapping')}

    @base.remotable_classmethod
    def get_all(cls, context):
        """Every cell, in the order they were made; cached for half a minute."""
        if _cache['at'] is None or time.monotonic() - _cache['at'] > _CACHE_S:
            with db.session.api_reader(context) as conn:
                rows = db.mappings.all_cells(conn)
            _cache.update(at=time.monotonic(), cells=[CellMapping.from_row(None, row) for row in rows])
        return cls.of(context, list(_cache['cells']))

    @classmethod
    def to_ask(cls, context, placing=False):
        """The cells that have servers, each database once; None stands for the configured one.

        :param placing: only those that take new ones: the servers of a disabled cell go on.
        A process that belongs to one cell asks that one only.
        """
        cells = cls.get_all(context)
        here = [cell for cell in cells if cell.is_configured]
        closed = placing and any(cell.disabled and not cell.is_cell0 for cell in here)
        if _is_of_one(cells):
            return [] if closed else [None]
        elsewhere = {}
        for cell in cells:
            if not cell.is_configured and not (placing and cell.disabled):
                elsewhere.setdefault(cell.database_connection, cell)
        return [*([] if closed else [None]), *elsewhere.values()]

    @classmethod
    def configured(cls, context):
        """The cell whose tables this process is configured for; cell0 only if no other has them.  None: not mapped."""
        here = [cell for cell in cls.get_all(context) if cell.is_configured]
        return next((cell for cell in here if not cell.is_cell0), here[0] if here else None)

    @classmethod
    def top(cls, context):
        """Where this process is one of a cell: the mapping of cell0, whose services see all cells.  Otherwise None."""
        cells = cls.get_all(context)
        return next(cell for cell in cells if cell.is_cell0) if _is_of_one(cells) else None


def _is_of_one(cells):
    """Whether this process belongs to one cell of several: the tables it is configured for are not those of cell0."""
    return any(cell.is_cell0 and not cell.is_configured for cell in cells)


def ask_each(context, ask):
    """([(cell, what `ask(context of the cell)` answered), …], [cell that did not answer, …]).

    The cell is None for the configured database, without which nothing is answered at all.
    """
    def asked(cell):
        with nova_context.target_cell(context, cell) as in_cell:
            return ask(in_cell)

    cells = CellMappingList.to_ask(context)
    if len(cells) == 1:
        return [(cells[0], asked(cells[0]))], []
    return gather([(cell, concurrency.spawn(asked, cell)) for cell in cells])


def gather(tasks):
    """As `ask_each`, of [(cell, task), …]."""
    answers, down = [], []
    for cell, task in tasks:
        try:
            answers.append((cell, task.wait()))
        except AWAY as exc:
            if cell is None:
                raise
            LOG.warning('Cell %s does not answer: %s', cell.name, exc)
            down.append(cell)
    return answers, down


@contextlib.contextmanager
def of_host(context, host):
    """The context, in the cell that has the host; a host that no cell knows is looked for in the configured one."""
    found = None
    cells = CellMappingList.to_ask(context)
    if len(cells) > 1:
        with contextlib.suppress(exception.HostMappingNotFound):
            cell_id = HostMapping.get_by_host(context, host).cell_id
            mapped = next((cell for cell in CellMappingList.get_all(context) if cell.id == cell_id), None)
            found = mapped if mapped is not None and not mapped.is_configured else None
    with nova_context.target_cell(context, found) as in_cell:
        yield in_cell


def in_each(context, do):
    """`yield from do(context of the cell)` in one cell after the other; one that is down does not stop the others."""
    for cell in CellMappingList.to_ask(context):
        try:
            with nova_context.target_cell(context, cell) as in_cell:
                yield from do(in_cell) or ()
        except AWAY as exc:
            if cell is None:
                raise
            LOG.warning('Cell %s does not answer: %s', cell.name, exc)


@base.register
class HostMapping(base.NovaObject):
    fields = {'id': fields.IntegerField(), 'host': fields.StringField(), 'cell_id': fields.IntegerField()}

    @base.remotable_classmethod
    def get_by_host(cls, context, host):
        with db.session.api_reader(context) as conn:
            row = db.mappings.host(conn, host)
        if row is None:
            raise exception.HostMappingNotFound(name=host)
        return cls.from_row(context, row)

    @base.remotable_classmethod
    @base.retried
    def create_for(cls, context, host, cell_id):
        with db.session.api_writer(context) as conn:
            db.mappings.insert_host(conn, host, cell_id)


@base.register
class HostMappingList(base.NovaObjectList):
    fields = {'objects': fields.ListOfObjectsField('HostMapping')}

    @base.remotable_classmethod
    def get_all(cls, context):
        with db.session.api_reader(context) as conn:
            rows = db.mappings.all_hosts(conn)
        return cls.from_rows(context, rows)


@base.register
class InstanceMapping(base.NovaObject):
    """Where a server is, and what it counts against its project's quota (`ram` in MiB)."""

    fields = {
        'id': fields.IntegerField(),
        'instance_uuid': fields.UUIDField(),
        'cell_id': fields.optional(fields.IntegerField),
        'project_id': fields.optional(),
        'user_id': fields.optional(),
        'cores': fields.IntegerField(default=0),
        'ram': fields.IntegerField(default=0),
        'queued_for_delete': fields.BooleanField(default=False),
        'created_at': fields.optional(fields.DateTimeField),
    }

    @base.remotable_classmethod
    def get_by_instance_uuid(cls, context, uuid):
        with db.session.api_reader(context) as conn:
            row = db.mappings.instance(conn, uuid)
        if row is None:
            raise exception.InstanceMappingNotFound(uuid=uuid)
        return cls.from_row(context, row)

    @base.remotable_classmethod
    def cell_of(cls, context, uuid):
        """The cell whose database has the server; None: the configured one.  Raises InstanceNotFound."""
        cells = CellMappingList.to_ask(context)
        if len(cells) == 1:
            return None
        try:
            cell_id = cls.get_by_instance_uuid(context, uuid).cell_id
        except exception.InstanceMappingNotFound as exc:
            raise exception.InstanceNotFound(instance_id=uuid) from exc
        return next((cell for cell in cells[1:] if cell.id == cell_id), None)


@base.register
class InstanceMappingList(base.NovaObjectList):
    fields = {'objects': fields.ListOfObjectsField('InstanceMapping')}

    @base.remotable_classmethod
    def get_in_cells(cls, context, cells, project_id, limit):
        """The newest servers of a project (None: of all) in cells."""
        with db.session.api_reader(context) as conn:
            rows = db.mappings.in_cells(conn, [cell.id for cell in cells], project_id, limit)
        return cls.from_rows(context, rows)

    @base.remotable_classmethod
    @base.retried
    def forget_unrecorded(cls, context, older_than_s):
        """Forget servers without a cell that are in no table of servers though they were asked for some time ago.

        Looks at the newest only: the others were looked at before.  All cells are asked, and while one of them does not
        answer none is forgotten.  Returns their UUIDs.
        """
        with db.session.api_reader(context) as conn:
            waiting = db.mappings.unplaced(conn, db.leases.since(older_than_s))
        if not waiting:
            return []

        def recorded(in_cell):
            c = db.instances.instances.c
            with db.session.reader(in_cell) as conn:
                rows = db.instances.select(conn, [c.uuid.in_(waiting), c.deleted == 0], [], None, [c.uuid])
            return {row['uuid'] for row in rows}

        answers, down = ask_each(context, recorded)
        if down:
            return []
        known = set().union(*(uuids for _cell, uuids in answers))
        lost = [uuid for uuid in waiting if uuid not in known]
        with db.session.api_writer(context) as conn:
            for uuid in lost:
                db.mappings.delete_instance(conn, uuid)
                db.request_specs.delete(conn, uuid)
                db.groups.forget_member(conn, uuid)
        return lost
