# SPDX-License-Identifier: Apache-2.0
"""Cells, and which hosts are in which."""

import re

from oslo_utils import uuidutils

from nova import context as nova_context
from nova import exception, objects
from nova.cmd.manage.arguments import arg
from nova.objects import cell as cells

_CELL1 = 'cell1'


def _row(cell):
    return {'name': cell.name, 'uuid': cell.uuid, 'transport_url': _shown(cell.transport_url),
            'database_connection': _shown(cell.database_connection), 'disabled': cell.disabled}


def _shown(url):
    """A URL without its passwords."""
    return re.sub(r'(://|,)([^:/@,]*):[^@/]*@', r'\1\2:***@', url) if url else '(configured)'


def _make(context, name, uuid, transport_url=None, database_connection=None):
    for cell in objects.CellMappingList.get_all(context):
        if cell.uuid == uuid or (name and cell.name == name):
            return cell
    cell = objects.CellMapping(context, uuid=uuid, name=name, transport_url=transport_url,
                               database_connection=database_connection, disabled=False)
    cell.create()
    return cell


def simple_cell_setup(context):
    """One cell, the configured database and messages; run again it changes nothing."""
    _make(context, 'cell0', cells.CELL0_UUID)
    _make(context, _CELL1, uuidutils.generate_uuid())
    return discover_hosts(context)


def map_cell0(context):
    """Record the cell of servers that no host has taken."""
    return _row(_make(context, 'cell0', cells.CELL0_UUID))


@arg('--name', required=True)
@arg('--transport-url', help='of its messages; the configured one unless given')
@arg('--database_connection', help='of its tables; the configured one unless given')
def create_cell(context, name, transport_url, database_connection):
    """Record a cell."""
    if any(cell.name == name for cell in objects.CellMappingList.get_all(context)):
        raise exception.Conflict(reason=f'there is a cell {name}')
    return _row(_make(context, name, uuidutils.generate_uuid(), transport_url, database_connection))


def list_cells(context):
    """Cells."""
    return [_row(cell) for cell in objects.CellMappingList.get_all(context)]


@arg('--cell_uuid', required=True)
@arg('--name')
@arg('--transport-url')
@arg('--db', dest='database_connection')
@arg('--disable', action='store_true')
@arg('--enable', action='store_true')
def update_cell(context, cell_uuid, disable, enable, **values):
    """Change a cell.  A disabled one takes no new servers; those that it has go on."""
    cell = objects.CellMapping.get_by_uuid(context, cell_uuid)
    cell._context = context
    for name, value in values.items():
        if value is not None:
            setattr(cell, name, value)
    if disable or enable:
        cell.disabled = disable
    cell.save()
    return _row(cell)


@arg('--cell_uuid', required=True)
def delete_cell(context, cell_uuid):
    """Forget a cell that has no hosts."""
    cell = objects.CellMapping.get_by_uuid(context, cell_uuid)
    if any(host.cell_id == cell.id for host in objects.HostMappingList.get_all(context)):
        return 3
    cell._context = context
    cell.destroy()
    return None


def discover_hosts(context):
    """Record hosts that are not in any cell yet.  They are recorded when they first report, too."""
    known = {host.host for host in objects.HostMappingList.get_all(context)}
    found = []
    for cell in objects.CellMappingList.get_all(context):
        if cell.is_cell0 or cell.disabled:
            continue
        with nova_context.target_cell(context, cell) as there:
            for node in objects.ComputeNodeList.get_all(there):
                if node.host not in known:
                    known.add(node.host)
                    objects.HostMapping.create_for(context, node.host, cell.id)
                    found.append({'cell': cell.name, 'host': node.host})
    return found


def list_hosts(context):
    """Hosts and their cells."""
    names = {cell.id: cell for cell in objects.CellMappingList.get_all(context)}
    return [{'cell': names[host.cell_id].name, 'cell_uuid': names[host.cell_id].uuid, 'host': host.host}
            for host in objects.HostMappingList.get_all(context) if host.cell_id in names]


COMMANDS = {'simple_cell_setup': simple_cell_setup, 'map_cell0': map_cell0, 'create_cell': create_cell,
            'list_cells': list_cells, 'update_cell': update_cell, 'delete_cell': delete_cell,
            'discover_hosts': discover_hosts, 'list_hosts': list_hosts}
