# SPDX-License-Identifier: Apache-2.0
"""Cells, and which hosts are in which."""

import re

from oslo_utils import uuidutils

from nova import context as nova_context
from nova import db, exception, objects
from nova.cmd.manage.arguments import arg
from nova.conf import CONF
from nova.objects import cell as cells

_CELL1 = 'cell1'


def _row(cell, verbose=False):
    return {'name': cell.name, 'uuid': cell.uuid, 'transport_url': _shown(cell.transport_url, verbose),
            'database_connection': _shown(cell.database_connection, verbose), 'disabled': cell.disabled}


def _shown(url, verbose):
    """A URL without its passwords, unless they are asked for."""
    if url and verbose:
        return url
    return re.sub(r'(://|,)([^:/@,]*):[^@/]*@', r'\1\2:***@', url) if url else '(configured)'


def _make(context, name, uuid, transport_url=None, database_connection=None, disabled=False):
    for cell in objects.CellMappingList.get_all(context):
        if cell.uuid == uuid or (name and cell.name == name):
            return cell
    cell = objects.CellMapping(context, uuid=uuid, name=name, transport_url=transport_url,
                               database_connection=database_connection, disabled=disabled)
    cell.create()
    return cell


def simple_cell_setup(context):
    """One cell, the configured database and messages; run again it changes nothing."""
    _make(context, 'cell0', cells.CELL0_UUID)
    _make(context, _CELL1, uuidutils.generate_uuid())
    return discover_hosts(context)


@arg('--database_connection', help='of its tables; the configured one unless given')
def map_cell0(context, database_connection):
    """Record the cell of servers that no host has taken."""
    return _row(_make(context, 'cell0', cells.CELL0_UUID, database_connection=database_connection))


@arg('--name', required=True)
@arg('--transport-url', help='of its messages; the configured one unless given')
@arg('--database_connection', help='of its tables; the configured one unless given')
@arg('--disabled', action='store_true', help='it takes no servers for now')
def create_cell(context, name, transport_url, database_connection, disabled):
    """Record a cell.

    With the first one that has tables of its own, those that had "the configured" ones get their URLs written out:
    which are configured depends on who asks from then on.
    """
    if any(cell.name == name for cell in objects.CellMappingList.get_all(context)):
        raise exception.Conflict(reason=f'there is a cell {name}')
    if database_connection and not db.session.is_main(database_connection):
        _make(context, 'cell0', cells.CELL0_UUID)
        for cell in objects.CellMappingList.get_all(context):
            _write_out(context, cell)
    return _row(_make(context, name, uuidutils.generate_uuid(), transport_url, database_connection, disabled))


def _write_out(context, cell):
    if cell.database_connection:
        return
    cell._context = context
    cell.database_connection = db.session.main_url()
    if not cell.transport_url and CONF.get_location('transport_url').location.is_user_controlled:
        cell.transport_url = CONF.transport_url
    cell.save()


@arg('--verbose', action='store_true', help='with the passwords of the URLs')
def list_cells(context, verbose):
    """Cells."""
    return [_row(cell, verbose) for cell in objects.CellMappingList.get_all(context)]


@arg('--cell_uuid', required=True)
@arg('--name')
@arg('--transport-url')
@arg('--database_connection', '--db')
@arg('--disable', action='store_true')
@arg('--enable', action='store_true')
def update_cell(context, cell_uuid, disable, enable, **values):
    """Change a cell.  A disabled one takes no new servers; those that it has go on."""
    cell = objects.CellMapping.get_by_uuid(context, cell_uuid)
    cell._context = context
    if disable and cell.is_cell0:
        raise exception.InvalidInput(reason='--disable: cell0 takes servers that have no host, and cannot be disabled')
    for name, value in values.items():
        if value is not None:
            setattr(cell, name, value)
    if disable or enable:
        cell.disabled = disable
    cell.save()
    return _row(cell)


@arg('--cell_uuid', required=True)
def delete_cell(context, cell_uuid):
    """Forget a cell; status 2 when it has hosts, 3 when it has servers, and nothing is changed."""
    cell = objects.CellMapping.get_by_uuid(context, cell_uuid)
    if any(host.cell_id == cell.id for host in objects.HostMappingList.get_all(context)):
        return 2
    if len(objects.InstanceMappingList.get_in_cells(context, [cell], None, 1)):
        return 3
    cell._context = context
    cell.destroy()
    return None


@arg('--cell_uuid', help='in this cell only')
@arg('--by-service', action='store_true', help='by what services report, not by nodes: a host whose driver has none')
@arg('--strict', action='store_true', help='status 1 when there is none')
@arg('--verbose', action='store_true', help='taken for compatibility: what is found is shown in any case')
def discover_hosts(context, cell_uuid=None, by_service=False, strict=False, verbose=False):
    """Record hosts that are not in any cell yet.  They are recorded when they first report, too."""
    known = {host.host for host in objects.HostMappingList.get_all(context)}
    found = []
    for cell in _cells(context, cell_uuid):
        if cell.is_cell0 or cell.disabled:
            continue
        with nova_context.target_cell(context, cell) as there:
            reported = (objects.ServiceList.get_all(there, binary='nova-compute') if by_service
                        else objects.ComputeNodeList.get_all(there))
            for host in sorted({each.host for each in reported} - known):
                known.add(host)
                objects.HostMapping.create_for(context, host, cell.id)
                found.append({'cell': cell.name, 'host': host})
    return found if found or not strict else 1


def _cells(context, cell_uuid):
    return [objects.CellMapping.get_by_uuid(context, cell_uuid)] if cell_uuid else objects.CellMappingList.get_all(
        context).objects


@arg('--cell_uuid', help='of this cell only')
def list_hosts(context, cell_uuid=None):
    """Hosts and their cells."""
    by_id = {cell.id: cell for cell in _cells(context, cell_uuid)}
    return [{'cell': by_id[host.cell_id].name, 'cell_uuid': by_id[host.cell_id].uuid, 'host': host.host}
            for host in objects.HostMappingList.get_all(context) if host.cell_id in by_id]


@arg('--uuid', required=True, help='of the server')
def verify_instance(context, uuid):
    """Say in which cell a server is; status 1 when it is in none, 3 when its cell does not have it."""
    try:
        cell = objects.InstanceMapping.cell_of(context, uuid)
        objects.InstanceMapping.get_by_instance_uuid(context, uuid)
    except (exception.InstanceNotFound, exception.InstanceMappingNotFound):
        return 1
    known = cell or objects.CellMappingList.configured(context)
    with nova_context.target_cell(context, cell) as there:
        try:
            host = objects.Instance.get_by_uuid(there, uuid).host
        except exception.InstanceNotFound:
            return 3
    return {'cell': known.name if known is not None else None, 'host': host}


COMMANDS = {'simple_cell_setup': simple_cell_setup, 'map_cell0': map_cell0, 'create_cell': create_cell,
            'list_cells': list_cells, 'update_cell': update_cell, 'delete_cell': delete_cell,
            'discover_hosts': discover_hosts, 'list_hosts': list_hosts, 'verify_instance': verify_instance}
