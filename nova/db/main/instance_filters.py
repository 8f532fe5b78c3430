# SPDX-License-Identifier: Apache-2.0
"""The list of servers: one statement, from a table of filters.

Source: the API specification, "GET /servers filters and sort keys".  Which filter who may use is the API's business;
here is what each means.
"""

import datetime
import re

import sqlalchemy as sa

from nova import exception
from nova.db import paging
from nova.db.main import extras, instances

c = instances.instances.c
tags = instances.tags.c

#: Compared as they are; a list means any of it.
EXACT = {name: c[name] for name in (
    'host', 'uuid', 'user_id', 'project_id', 'vm_state', 'task_state', 'locked', 'instance_type_id', 'image_ref',
    'reservation_id', 'auto_disk_config', 'progress', 'power_state', 'launch_index', 'hidden', 'cleaned', 'locked_by')}
#: Searched in the column's text as regular expressions.
REGEX = {name: c[name] for name in (
    'display_name', 'display_description', 'hostname', 'node', 'key_name', 'kernel_id', 'ramdisk_id',
    'availability_zone', 'root_device_name', 'access_ip_v4', 'access_ip_v6', 'config_drive', 'created_at',
    'launched_at', 'terminated_at')}
ALIASES = {'name': 'display_name', 'description': 'display_description', 'tenant_id': 'project_id',
           'image': 'image_ref', 'flavor_id': 'instance_type_id'}
SORTABLE = {name: c[name] for name in (
    'access_ip_v4', 'access_ip_v6', 'auto_disk_config', 'availability_zone', 'config_drive', 'created_at',
    'display_description', 'display_name', 'host', 'hostname', 'image_ref', 'instance_type_id', 'kernel_id', 'key_name',
    'launch_index', 'launched_at', 'locked', 'locked_by', 'node', 'power_state', 'progress', 'project_id', 'ramdisk_id',
    'root_device_name', 'task_state', 'terminated_at', 'updated_at', 'user_id', 'uuid', 'vm_state', 'id')}


#: The vm_state of servers that can be restored.
SOFT_DELETED = 'soft-delete'


def select(conn, filters, sort_keys=None, sort_dirs=None, limit=None, marker=None, columns=None,
           with_=()):
    """Rows of servers that match.

    :param filters: {name: value}; `deleted` (bool, default False; None: both), `changes-since`, `changes-before`
        (moments), `tags`, `tags-any`, `not-tags`, `not-tags-any` (lists) and what the tables above name.
    :param marker: uuid of the last one seen, or (of a server in another cell) what `at` answered there.
    :param with_: what `extras.read` will be asked for.
    Raises InvalidInput for a regular expression that does not compile, InvalidSortKey, MarkerNotFound.
    """
    where = list(conditions(conn, filters))
    sort = order(sort_keys, sort_dirs)
    if marker is not None:
        last = marker if isinstance(marker, dict) else at(conn, marker, sort, filters.get('project_id'))
        where.append(paging.after([(column, direction, last[column.name]) for column, direction in sort]))
    wanted = extras.columns(with_, None if columns is None else [c[name] for name in columns])
    return instances.select(conn, where, sort, limit, wanted)


def at(conn, uuid, sort, project_id=None):
    """Where a server stands in a sorted list: {column: value}.

    Raises MarkerNotFound, also for a server of another project than the one whose list it is (None: of all).
    """
    columns = {column.name: column for column, _ in (*sort, (c.project_id, None))}.values()
    row = instances.by_uuid(conn, uuid, read_deleted='yes', columns=columns)
    if row is None or project_id not in (None, row['project_id']):
        raise exception.MarkerNotFound(marker=uuid)
    return dict(row)


def order(sort_keys, sort_dirs):
    """[(column, direction)] ending in a unique key."""
    keys = list(sort_keys or ['created_at'])
    dirs = list(sort_dirs or ['desc'])
    dirs += [dirs[0]] * (len(keys) - len(dirs))
    sort = []
    for key, direction in zip(keys, dirs, strict=False):
        if key not in SORTABLE:
            raise exception.InvalidSortKey(key=key)
        sort.append((SORTABLE[key], direction))
    if not any(column is c.id or column is c.uuid for column, _ in sort):
        sort.append((c.id, sort[0][1]))
    return sort


def conditions(conn, filters):
    filters = {ALIASES.get(name, name): value for name, value in filters.items()}
    deleted = filters.pop('deleted', False)
    if deleted is not None:
        # One that can still be restored counts as both.
        yield sa.or_(c.deleted != 0, c.vm_state == SOFT_DELETED) if deleted else c.deleted == 0
    if not filters.pop('soft_deleted', True):
        yield sa.or_(c.vm_state.is_(None), c.vm_state != SOFT_DELETED)
    for name, value in filters.items():
        if name == 'changes-since':
            yield sa.func.coalesce(c.updated_at, c.created_at) >= _naive(value)
        elif name == 'changes-before':
            yield sa.func.coalesce(c.updated_at, c.created_at) <= _naive(value)
        elif name in TAGS:
            yield TAGS[name](value)
        elif name in EXACT:
            yield _equal(EXACT[name], value)
        elif name in REGEX:
            yield _search(conn, REGEX[name], name, value)
        else:
            raise exception.InvalidInput(reason=f'{name} is no filter of the list of servers')


def _naive(value):
    return value.astimezone(datetime.UTC).replace(tzinfo=None) if value.tzinfo is not None else value


def _equal(column, value):
    if isinstance(value, (list, tuple, set)):
        return column.in_(list(value))
    return column.is_(None) if value is None else column == value


def _search(conn, column, name, value):
    if isinstance(value, (list, tuple, set)):
        return sa.or_(*(_search(conn, column, name, one) for one in value))
    pattern = str(value)
    try:
        re.compile(pattern)
    except re.error as exc:
        raise exception.InvalidInput(reason=f'{name}: {pattern!r} is not a regular expression: {exc}') from exc
    if not isinstance(column.type, sa.String):
        column = sa.cast(column, sa.String(32))
    return column.regexp_match(pattern)


def _having(names):
    return sa.select(tags.instance_uuid).where(tags.tag.in_(names), tags.instance_uuid == c.uuid)


def _count_of(names):
    return (sa.select(sa.func.count()).where(tags.tag.in_(names), tags.instance_uuid == c.uuid).scalar_subquery())


TAGS = {
    'tags': lambda names: _count_of(names) == len(set(names)),
    'tags-any': lambda names: sa.exists(_having(names)),
    'not-tags': lambda names: _count_of(names) != len(set(names)),
    'not-tags-any': lambda names: ~sa.exists(_having(names)),
}
