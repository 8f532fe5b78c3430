# SPDX-License-Identifier: Apache-2.0
"""Images on the wire of the image door: documents, schemas, filters, and patches."""

from nova import exception
from nova.image import formats
from nova.image import record as image_record

PATCH_TYPES = ('application/openstack-images-v2.1-json-patch', 'application/openstack-images-v2.0-json-patch')

# What a user neither sets nor has as a property.
_LINKS = ('self', 'file', 'schema')
_RESERVED = ('locations', 'direct_url', 'is_public', 'deleted', 'deleted_at', 'members', 'properties', 'stores')

_STRING, _INTEGER, _FLAG = {'type': ['null', 'string']}, {'type': 'integer'}, {'type': 'boolean'}
_FIELDS = {
    'id': {'type': 'string', 'pattern': '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'},
    'name': {**_STRING, 'maxLength': 255},
    'status': {'type': 'string', 'readOnly': True, 'enum': [
        'queued', 'saving', 'active', 'killed', 'deleted', 'uploading', 'importing', 'pending_delete', 'deactivated']},
    'visibility': {'type': 'string', 'enum': list(image_record.VISIBILITIES)},
    'protected': _FLAG,
    'os_hidden': _FLAG,
    'checksum': {**_STRING, 'readOnly': True},
    'os_hash_algo': {**_STRING, 'readOnly': True},
    'os_hash_value': {**_STRING, 'readOnly': True},
    'owner': {**_STRING, 'maxLength': 255},
    'size': {'type': ['null', 'integer'], 'readOnly': True},
    'virtual_size': {'type': ['null', 'integer'], 'readOnly': True},
    'container_format': {**_STRING, 'enum': [None, *image_record.CONTAINER_FORMATS]},
    'disk_format': {**_STRING, 'enum': [None, *formats.DISK_FORMATS]},
    'created_at': {'type': 'string', 'readOnly': True},
    'updated_at': {'type': 'string', 'readOnly': True},
    'min_ram': _INTEGER,
    'min_disk': _INTEGER,
    'tags': {'type': 'array', 'items': {'type': 'string', 'maxLength': 255}},
    'self': {'type': 'string', 'readOnly': True},
    'file': {'type': 'string', 'readOnly': True},
    'schema': {'type': 'string', 'readOnly': True},
}
_SHOWN = tuple(name for name in _FIELDS if name not in _LINKS)

IMAGE_SCHEMA = {'name': 'image', 'properties': _FIELDS, 'additionalProperties': {'type': 'string'},
                'links': [{'rel': 'self', 'href': '{self}'}, {'rel': 'enclosure', 'href': '{file}'},
                          {'rel': 'describedby', 'href': '{schema}'}]}
MEMBER_SCHEMA = {'name': 'member', 'properties': {
    'member_id': _STRING, 'image_id': _STRING, 'status': {'type': 'string', 'enum': list(image_record.MEMBER_STATUSES)},
    'created_at': _STRING, 'updated_at': _STRING, 'schema': _STRING}}


def list_schema(name, item):
    """The schema of a list of these."""
    return {'name': name, 'links': [{'rel': 'describedby', 'href': '{schema}'}],
            'properties': {name: {'type': 'array', 'items': item}, 'first': _STRING, 'next': _STRING,
                           'schema': _STRING}}


def stamp(at):
    return at.strftime('%Y-%m-%dT%H:%M:%SZ')


def image_view(record):
    """The document of an image; properties stand beside the fields."""
    path = f'/v2/images/{record["id"]}'
    fields = {name: record[name] for name in _SHOWN}
    fields.update(created_at=stamp(record['created_at']), updated_at=stamp(record['updated_at']))
    return {**record['properties'], **fields, 'self': path, 'file': f'{path}/file', 'schema': '/v2/schemas/image'}


def member_view(record, project_id):
    return {'member_id': project_id, 'image_id': record['id'], 'status': record['members'][project_id],
            'created_at': stamp(record['created_at']), 'updated_at': stamp(record['updated_at']),
            'schema': '/v2/schemas/member'}


# What comes in -------------------------------------------------------------------------------------------------------

def _require_settable(name):
    if name in _LINKS or name in _RESERVED or name in image_record.READ_ONLY:
        raise exception.ImageNotAuthorized(f"Attribute '{name}' is read-only.")


def _property(name, value):
    if not isinstance(value, str):
        raise exception.InvalidInput(reason=f'{name}: {value!r} is not a string, as a property must be.')
    return value


def given_in(body):
    """What a POST gives, as `nova.image` takes it."""
    given = {'properties': {}}
    for name, value in body.items():
        if name != 'id':
            _require_settable(name)
        if name in image_record.SETTABLE or name == 'id':
            given[name] = value
        else:
            given['properties'][name] = _property(name, value)
    return given


def patched(record, changes):
    """What a list of JSON-patch operations makes of a record: the fields that are given, and all of the properties.

    :raises InvalidInput: it is no such list.
    :raises Conflict: a property that is not there is replaced or removed.
    """
    if not isinstance(changes, list):
        raise exception.InvalidInput(reason='the body must be a list of operations.')
    given, properties = {}, dict(record['properties'])
    for change in changes:
        operation, name, value = _operation(change)
        _require_settable(name)
        if name in image_record.SETTABLE:
            if operation == 'remove':
                raise exception.ImageNotAuthorized(f"Attribute '{name}' cannot be removed.")
            given[name] = value
            continue
        if operation != 'add' and name not in properties:
            raise exception.Conflict(reason=f'the image has no property {name}.')
        if operation == 'remove':
            del properties[name]
        else:
            properties[name] = _property(name, value)
    return {**given, 'properties': properties}


def _operation(change):
    if not isinstance(change, dict):
        raise exception.InvalidInput(reason=f'{change!r} is not an operation: an object is needed.')
    operation, path = change.get('op'), change.get('path')
    if operation is None:
        # The older form: {"replace": "/name", "value": ...}
        operation = next((word for word in ('add', 'replace', 'remove') if word in change), None)
        path = change.get(operation)
    if operation not in ('add', 'replace', 'remove'):
        raise exception.InvalidInput(reason=f'op: {operation!r} is not one of add, replace, remove.')
    if not isinstance(path, str) or not path.startswith('/') or '/' in path[1:] or path == '/':
        raise exception.InvalidInput(reason=f'path: {path!r} is not the name of one field after a slash.')
    if operation != 'remove' and 'value' not in change:
        raise exception.InvalidInput(reason=f'value: {operation} needs one.')
    return operation, path[1:].replace('~1', '/').replace('~0', '~'), change.get('value')


def selection(query):
    """(filters, sort_keys, sort_dirs) of the query of a list."""
    filters = {name: value for name, value in query.items()
               if name not in ('limit', 'marker', 'sort', 'sort_key', 'sort_dir', 'tag')}
    if query.getall('tag'):
        filters['tag'] = query.getall('tag')
    keys, dirs = query.getall('sort_key'), query.getall('sort_dir')
    if query.get('sort'):
        pairs = [one.strip().partition(':') for one in query['sort'].split(',')]
        keys, dirs = [key for key, _, _ in pairs], [direction or 'desc' for _, _, direction in pairs]
    return filters, keys or ['created_at'], dirs or ['desc']
