# SPDX-License-Identifier: Apache-2.0
"""The record of an image: its fields, who sees it, how lists are filtered and sorted.

A record is a dict: id, name, status, visibility, is_public, owner, size, virtual_size (bytes), disk_format,
container_format, min_ram (MiB), min_disk (GiB), checksum (MD5), os_hash_algo, os_hash_value, protected, os_hidden,
tags [], members {project: status}, created_at, updated_at (aware UTC) and properties {str: str}.
"""

import datetime
import functools
import operator
import re
import uuid

from oslo_utils import timeutils

from nova import exception
from nova.image import formats

CONTAINER_FORMATS = ('ami', 'ari', 'aki', 'bare')
VISIBILITIES = ('public', 'community', 'shared', 'private')
MEMBER_STATUSES = ('pending', 'accepted', 'rejected')
# Parts of an Amazon image: the container says the same as the disk.
_AMAZON = ('ami', 'ari', 'aki')

#: What the owner sets, with the value when it is not said.
SETTABLE = {
    'name': None, 'visibility': 'shared', 'disk_format': None, 'container_format': None, 'min_ram': 0, 'min_disk': 0,
    'protected': False, 'os_hidden': False, 'tags': (), 'owner': None,
}
#: What the store sets.
READ_ONLY = ('id', 'status', 'size', 'virtual_size', 'checksum', 'os_hash_algo', 'os_hash_value', 'created_at',
             'updated_at')
FIELDS = (*READ_ONLY, *SETTABLE, 'members', 'properties')

_ID = re.compile(r'[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}')
#: Fields with one value: what lists are sorted by, and filtered by as they are.
_PLAIN = frozenset(FIELDS) - {'tags', 'members', 'properties'}
#: Those of them that are whole numbers.
_NUMBERS = frozenset({'size', 'virtual_size', 'min_ram', 'min_disk'})
_OPERATORS = {'gt': operator.gt, 'gte': operator.ge, 'lt': operator.lt, 'lte': operator.le, 'eq': operator.eq,
              'neq': operator.ne}


def is_id(text):
    return isinstance(text, str) and _ID.fullmatch(text) is not None


def now():
    return timeutils.utcnow(with_timezone=True).replace(microsecond=0)


# Making and changing -------------------------------------------------------------------------------------------------

def new(context, given):
    """The record of a new image, of the caller's project unless an administrator says otherwise.

    :raises Invalid: a field is wrong.
    :raises ImageNotAuthorized: the caller may not make such an image.
    """
    if only_reads(context):
        raise exception.ImageNotAuthorized('A reader of a project makes no images in it.')
    image_id = given.get('id') or str(uuid.uuid4())
    if not is_id(image_id):
        raise exception.InvalidInput(reason=f'id: {image_id!r} is not a UUID in lower case.')
    at = now()
    record = dict.fromkeys(FIELDS)
    record.update(id=image_id, status='queued', created_at=at, updated_at=at, members={}, properties={}, **SETTABLE)
    record.update(tags=[], owner=context.project_id)
    return changed(context, record, given)


def changed(context, record, given, purge_properties=False):
    """A copy of the record with the given fields; `properties` are merged, or replaced with `purge_properties`.

    :raises Invalid, ImageNotAuthorized: as `new`.
    """
    record = dict(record)
    if 'visibility' not in given and 'is_public' in given:
        given = dict(given, visibility='public' if given['is_public'] else 'private')
    for name in SETTABLE:
        if name in given:
            record[name] = _CHECKS.get(name, _any)(name, given[name])
    if (record['visibility'] == 'public' and given.get('visibility') == 'public' and not context.is_admin):
        raise exception.ImageNotAuthorized('visibility: only an administrator may make an image public.')
    # Also to nobody: an image without an owner is everybody's.
    if record['owner'] != context.project_id and 'owner' in given and not context.is_admin:
        raise exception.ImageNotAuthorized('owner: only an administrator may give an image to another project.')
    _require_formats_agree(record)
    properties = {} if purge_properties else dict(record['properties'])
    for key, value in (given.get('properties') or {}).items():
        properties[_text('property', key)] = _property(key, value)
    record['properties'] = properties
    record['is_public'] = record['visibility'] == 'public'
    return record


def _require_formats_agree(record):
    disk, container = record['disk_format'], record['container_format']
    if disk and container and disk != container and ((disk in _AMAZON and container != 'bare') or container in _AMAZON):
        raise exception.InvalidInput(reason=f'disk_format: {disk!r} does not go with container_format {container!r}.')


def _any(name, value):
    return value


def _text(name, value):
    if value is not None and (not isinstance(value, str) or len(value) > 255):
        raise exception.InvalidInput(reason=f'{name}: a string of at most 255 characters is needed.')
    return value


def _count(name, value):
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2 ** 31:
        raise exception.InvalidInput(reason=f'{name}: {value!r} is not a whole number from 0 to 2147483647.')
    return value


def _flag(name, value):
    if not isinstance(value, bool):
        raise exception.InvalidInput(reason=f'{name}: {value!r} is not true or false.')
    return value


def _one_of(values):
    def check(name, value):
        if value not in values:
            raise exception.InvalidInput(reason=f'{name}: {value!r} is not one of {", ".join(map(str, values))}.')
        return value
    return check


def _disk_format(name, value):
    if value is not None and value not in formats.ACCEPTED:
        raise exception.InvalidDiskFormat(
            f'disk_format: {value!r} is not one of {", ".join(formats.DISK_FORMATS)}.')
    return value


def _tags(name, value):
    if not isinstance(value, (list, tuple)):
        raise exception.InvalidInput(reason='tags: a list of strings is needed.')
    return sorted({_text('tags', tag) or '' for tag in value})


def _property(key, value):
    if value is None:
        return ''
    if not isinstance(value, str):
        value = str(value)
    if len(value) > 65535:
        raise exception.InvalidInput(reason=f'{key}: a value has at most 65535 characters.')
    return value


_CHECKS = {
    'name': _text, 'owner': _text, 'min_ram': _count, 'min_disk': _count, 'protected': _flag, 'os_hidden': _flag,
    'disk_format': _disk_format, 'container_format': _one_of((*CONTAINER_FORMATS, None)),
    'visibility': _one_of(VISIBILITIES), 'tags': _tags,
}


# Seeing --------------------------------------------------------------------------------------------------------------

def visible(context, record):
    """Whether the image exists for the caller who names it."""
    return (context.is_admin or record['visibility'] in ('public', 'community') or record['owner'] is None
            or record['owner'] == context.project_id or is_member(context, record))


def is_member(context, record):
    return record['visibility'] == 'shared' and context.project_id in (record.get('members') or {})


def only_reads(context):
    """Whether the caller is in the project to look at it, and for nothing else."""
    return bool(context.roles) and {role.lower() for role in context.roles} == {'reader'}


def changeable(context, record):
    return context.is_admin or (context.project_id is not None and record['owner'] == context.project_id
                                and not only_reads(context))


def _listed(context, record, visibility, member_status):
    if record['owner'] == context.project_id and record['owner'] is not None:
        return True
    if record['visibility'] == 'public' or record['owner'] is None:
        return True
    if record['visibility'] == 'community':
        return visibility in ('community', 'all')
    if is_member(context, record):
        return member_status == 'all' or record['members'][context.project_id] == member_status
    return bool(context.is_admin)


def select(context, records, filters=None, sort_keys=('created_at',), sort_dirs=('desc',), limit=None, marker=None):
    """The records that the caller sees in a list, filtered, sorted, and cut to the page after `marker`.

    Filters: any field (`in:a,b` for one of several), `size_min`, `size_max` (bytes), `changes-since` and times
    (`gt:<time>`), `tag` (or a list: all of them), `member_status`, `property-<name>` and any property by its name.

    :raises Invalid: a filter, sort key or direction does not exist, or has a wrong value.
    :raises MarkerNotFound: the marker is not in the list.
    """
    filters = dict(filters or {})
    visibility, member_status = filters.pop('visibility', None), filters.pop('member_status', 'accepted')
    if visibility not in (None, 'all', *VISIBILITIES):
        raise exception.InvalidInput(reason=f'visibility: {visibility!r} is not one of {", ".join(VISIBILITIES)}, all.')
    filters.setdefault('os_hidden', False)
    tests = [_test(name, value) for name, value in filters.items() if value is not None]
    found = [record for record in records
             if _listed(context, record, visibility, member_status)
             and (visibility in (None, 'all') or record['visibility'] == visibility)
             and all(test(record) for test in tests)]
    found = _sorted(found, sort_keys, sort_dirs)
    if marker is not None:
        ids = [record['id'] for record in found]
        if marker not in ids:
            raise exception.MarkerNotFound(marker=marker)
        found = found[ids.index(marker) + 1:]
    return found if limit is None else found[:limit]


def _sorted(records, keys, dirs):
    for key in keys:
        if key not in _PLAIN:
            raise exception.InvalidSortKey(key=key)
    if set(dirs) - {'asc', 'desc'}:
        raise exception.InvalidInput(reason='sort_dir: one of asc, desc is needed.')
    dirs = [*dirs, *['desc'] * len(keys)][:len(keys)]
    # The id makes the order total: pages neither repeat nor lose an image.
    for key, direction in reversed([*zip(keys, dirs, strict=True), ('id', 'desc')]):
        records = sorted(records, key=functools.partial(_rank, key), reverse=direction == 'desc')
    return records


def _rank(key, record):
    value = record[key]
    return (False, '') if value is None else (True, value)


def _test(name, value):
    if name == 'tag':
        wanted = {value} if isinstance(value, str) else set(value)
        return lambda record: wanted <= set(record['tags'])
    if name in ('size_min', 'size_max'):
        bound = _number(name, value)
        compare = operator.ge if name == 'size_min' else operator.le
        return lambda record: record['size'] is not None and compare(record['size'], bound)
    if name == 'changes-since':
        return _time_test('updated_at', f'gte:{value}' if isinstance(value, str) else value)
    if name in ('created_at', 'updated_at'):
        return _time_test(name, value)
    if name in _NUMBERS:
        number = _number(name, value)
        return lambda record: record[name] == number
    if name in ('protected', 'os_hidden', 'is_public'):
        wanted = value if isinstance(value, bool) else str(value).lower() in ('true', '1', 'yes')
        return lambda record: bool(record[name]) is wanted
    wanted = _alternatives(value)
    if name in _PLAIN:
        return lambda record: record[name] in wanted
    name = name.removeprefix('property-')
    return lambda record: record['properties'].get(name) in wanted


def _alternatives(value):
    if not isinstance(value, str):
        return set(value)
    if not value.startswith('in:'):
        return {value}
    return {quoted or plain for quoted, plain in re.findall(r'"([^"]*)"|([^,]+)', value[3:])}


def _number(name, value):
    try:
        return int(value)
    except (TypeError, ValueError):
        raise exception.InvalidInput(reason=f'{name}: {value!r} is not a whole number.') from None


def _time_test(name, value):
    compare, at = operator.eq, value
    if isinstance(value, str):
        prefix, _, rest = value.partition(':')
        if prefix in _OPERATORS:
            compare, value = _OPERATORS[prefix], rest
        try:
            at = timeutils.parse_isotime(value)
        except ValueError:
            raise exception.InvalidInput(reason=f'{name}: {value!r} is not a time of ISO 8601.') from None
    if at.tzinfo is None:
        at = at.replace(tzinfo=datetime.UTC)
    return lambda record: compare(record[name], at)
