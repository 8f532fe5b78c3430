# SPDX-License-Identifier: Apache-2.0
"""What views show of servers that is not in their rows: tags and volumes.

The row of a server says whether it has any (`flag`); one statement then reads both, of all servers that have.  Most
servers have neither.
"""

import functools

import sqlalchemy as sa

from nova.db.main import block_devices, instances, services

TAGS, VOLUMES = 'tags', 'volumes'
_KINDS = frozenset((TAGS, VOLUMES))
#: The service of the server's host, as far as the host's status is made of it.
SERVICE = 'service'
_server, _tags, _devices, _service = (table.c for table in (
    instances.instances, instances.tags, block_devices.devices, services.services))
_STATUS = (_service.host, _service.disabled, _service.forced_down, _service.last_seen_up)
_PREFIX = 'service_'


def _of_server(kind, uuid):
    """The conditions of rows of a kind; `uuid(column)` is the one that says whose they are."""
    if kind == TAGS:
        return [uuid(_tags.instance_uuid)]
    return [uuid(_devices.instance_uuid), _devices.deleted == 0, _devices.volume_id.is_not(None)]


@functools.cache
def _columns(kinds, service, columns=None):
    """Of a statement that reads servers: those given (None: all), and what else it tells."""
    found = [*(instances.instances.columns if columns is None else columns)]
    if kinds:
        found.append(sa.or_(*(sa.exists().where(*_of_server(kind, lambda column: column == _server.uuid))
                              for kind in sorted(kinds))).label('has_extras'))
    if service:
        found += [column.label(_PREFIX + column.name) for column in _STATUS]
    return tuple(found)


def columns(with_, columns=None):
    """Columns for `instances.select`: those given (None: all), and whether a server has what is asked for."""
    return _columns(_KINDS.intersection(with_), False, None if columns is None else tuple(columns))


@functools.cache
def _one(read_deleted, kinds, service):
    statement = sa.select(*_columns(kinds, service)).where(_server.uuid == sa.bindparam('of_uuid'))
    if service:
        statement = statement.outerjoin_from(instances.instances, services.services, sa.and_(
            _service.host == _server.host, _service.binary == 'nova-compute', _service.deleted == 0))
    return instances.visible(statement, read_deleted)


def server(conn, uuid, read_deleted='no', with_=()):
    """The row of a server, or None; `with_` names TAGS, VOLUMES and SERVICE (see `service_of`)."""
    statement = _one(read_deleted, _KINDS.intersection(with_), SERVICE in with_)
    return conn.execute(statement, {'of_uuid': uuid}).mappings().one_or_none()


def service_of(row):
    """Columns of the service of a server's host; None when there is none."""
    if row[_PREFIX + 'host'] is None:
        return None
    return {column.name: row[_PREFIX + column.name] for column in _STATUS}


@functools.cache
def _reading(kinds):
    def among(column):
        return column.in_(sa.bindparam('uuids', expanding=True))
    tags = sa.select(_tags.instance_uuid.label('uuid'), _tags.tag.label('value'), sa.null().label('goes'),
                     sa.literal_column('0').label('place')).where(*_of_server(TAGS, among))
    volumes = sa.select(_devices.instance_uuid.label('uuid'), _devices.volume_id.label('value'),
                        _devices.delete_on_termination.label('goes'), _devices.id.label('place')).where(
        *_of_server(VOLUMES, among))
    statements = [statement for kind, statement in ((VOLUMES, volumes), (TAGS, tags)) if kind in kinds]
    return sa.union_all(*statements)


def read(conn, rows, with_):
    """({uuid: [tag, ...]} in alphabetical order, {uuid: [(volume id, delete on termination), ...]} as attached).

    :param rows: of servers, as `server` and `instances.select` with `columns` give them.
    :param with_: TAGS, VOLUMES or both; of another there is nothing.
    """
    tags, volumes = {}, {}
    kinds, uuids = _KINDS.intersection(with_), [row['uuid'] for row in rows if row.get('has_extras', True)]
    if not kinds or not uuids:
        return tags, volumes
    found = conn.execute(_reading(kinds), {'uuids': uuids}).all()
    for uuid, value, goes, place in sorted(found, key=lambda row: (row.place, row.value)):
        if place:
            volumes.setdefault(uuid, []).append((value, bool(goes)))
        else:
            tags.setdefault(uuid, []).append(value)
    return tags, volumes
