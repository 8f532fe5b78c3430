# SPDX-License-Identifier: Apache-2.0
"""The OpenAPI document of the Compute API, out of the declarations that serve it.

It describes the newest version at which each route exists; `x-openstack` says since and until when.
"""

import re

import orjson

from nova.api.openstack import errors, microversions, wsgi
from nova.api.openstack.view import NEXT, Many

#: Said of an action's body, which has exactly one key.
_ACTION = 'One of these keys says what is to be done.'
_ERROR = {
    'type': 'object', 'minProperties': 1, 'maxProperties': 1,
    'additionalProperties': {'type': 'object', 'required': ['code', 'message'],
                             'properties': {'code': {'type': 'integer'}, 'message': {'type': 'string'}}}}


def document(server='/v2.1'):
    """The document as a dict, valid under OpenAPI 3.1."""
    paths = {}
    for route in _newest():
        operations = paths.setdefault(route.path, {})
        method = route.method.lower()
        if route.action is not None and method in operations:
            _add_action(operations[method], route)
        else:
            operations[method] = _operation(route)
    return {
        'openapi': '3.1.0',
        'info': {'title': 'Compute API', 'version': microversions.text(microversions.MAX),
                 'description': 'Servers on demand.  The version is asked for in the header OpenStack-API-Version.'},
        'servers': [{'url': server}],
        'security': [{'token': []}],
        'paths': dict(sorted(paths.items())),
        'components': {'securitySchemes': {'token': {'type': 'apiKey', 'in': 'header', 'name': 'X-Auth-Token'}},
                       'schemas': {'Error': _ERROR}},
    }


def _newest():
    """Of routes that follow each other in time, the last."""
    found = {}
    for route in wsgi.table().routes:
        key = _key(route)
        if key not in found or route.range.last > found[key].range.last:
            found[key] = route
    return found.values()


def _key(route):
    return route.path, route.method, route.action


def _at(route):
    return microversions.At(route.range.last)


def _operation(route):
    at = _at(route)
    operation = {
        'operationId': re.sub(r'\W+', '_', f'{route.method.lower()}{route.path}').strip('_'),
        'summary': _summary(route), 'tags': [route.path.strip('/').split('/')[0]],
        'parameters': [_part(name) for name in re.findall(r'\{(\w+)\}', route.path)] + _query(route, at),
        'responses': _responses(route),
        'x-openstack': _since_and_until(route),
    }
    schema = _body(route, at)
    if schema is not None:
        if route.action is not None:
            schema = {'oneOf': [schema], 'description': _ACTION}
            operation['x-openstack']['actions'] = {route.action: _of_action(route)}
        operation['requestBody'] = {'required': True, 'content': {'application/json': {'schema': schema}}}
    return operation


def _add_action(operation, route):
    operation['requestBody']['content']['application/json']['schema']['oneOf'].append(_body(route, _at(route)))
    operation['x-openstack']['actions'][route.action] = _of_action(route)
    for status, response in _responses(route).items():
        _merge(operation['responses'].setdefault(status, response), response)


def _of_action(route):
    """What is said of an action alone, where OpenAPI has one operation for all of them."""
    return {**_since_and_until(route), 'responses': _responses(route)}


def _since_and_until(route):
    first = min(each.range.first for each in wsgi.table().routes if _key(each) == _key(route))
    return {'min-version': microversions.text(first), 'max-version': microversions.text(route.range.last),
            **({'policy': route.policy.name} if route.policy else {})}


def _merge(known, more):
    """Let the answer with a status also be what another action answers with it; nothing is said of none or some."""
    if 'content' not in more or 'content' not in known:
        known.pop('content', None)
        return
    held = known['content']['application/json']
    (schema,) = (content['schema'] for content in more['content'].values())
    if held['schema'] != schema and schema not in held['schema'].get('anyOf', ()):
        held['schema'] = {'anyOf': [*held['schema'].get('anyOf', [held['schema']]), schema]}


def _summary(route):
    text = (route.handler.__doc__ or route.resource.__doc__ or '').strip().split('\n')[0]
    return text.rstrip('.') or route.name


def _body(route, at):
    if route.body is None:
        return None
    body = route.body.body(at, route.action)
    if body is not None:
        return _portable(body.fragment)
    return {'type': 'object', **({'required': [route.action], 'properties': {route.action: {}}} if route.action
                                 else {})}


def _portable(schema):
    """A fragment as others read it: patterns are those of ECMA-262, which say more than a format of our own."""
    if isinstance(schema, list | tuple):
        return [_portable(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: _portable(item) for key, item in schema.items()}
    if isinstance(found.get('pattern'), str):
        found['pattern'] = found['pattern'].replace(r'\Z', '$')
        if found.get('format') == 'printable':
            del found['format']
    return found


def _part(name):
    return {'name': name, 'in': 'path', 'required': True, 'schema': {'type': 'string'}}


def _query(route, at):
    if route.query is None:
        return []
    return [{'name': field.name, 'in': 'query', 'required': False, 'schema': _portable(field.schema(at))}
            for field in route.query.select(at)]


def _responses(route):
    status = route.status(route.range.last)
    found = {}
    for good in (status, *route.may):
        found[str(good)] = {'description': errors.STATUS_LINES[good].partition(' ')[2]}
        # An answer with a body or without one cannot be said.
        if route.view is not None and good != 204 and not getattr(route.view, 'empty', False):
            found[str(good)]['content'] = {'application/json': {'schema': answer(route, route.range.last)}}
    refused = {400, 401, 403, 404, *(
        code or errors.STATUS_OF[kind.kind] for kind, code in route.errors.items())}
    for code in sorted(refused - {status, *route.may}):
        found[str(code)] = {'description': errors.STATUS_LINES[code].partition(' ')[2], 'content': {
            'application/json': {'schema': {'$ref': '#/components/schemas/Error'}}}}
    return found


def answer(route, minor):
    """The JSON Schema of what a route answers when it goes well, at a version; the route has a view."""
    view = route.view
    if view.table is None:
        return view.schema if view.key is None else _object({view.key: view.schema}, [view.key])
    item = _item(view.table, minor, route.on)
    if isinstance(view, Many):
        links = {view.links: NEXT} if view.links and minor in view.range else {}
        items = {'anyOf': [item, view.otherwise]} if view.otherwise else item
        return _object({view.key: {'type': 'array', 'items': items}, **links}, [view.key])
    found = item if view.key is None else _object({view.key: item}, [view.key])
    return {'anyOf': [found, view.otherwise]} if view.otherwise else found


def _item(table, minor, operation):
    """The object that a table of fields makes; whoever sees more than others has fields that are not required."""
    keys, required = {}, {}
    for field in table.fields:
        if not field.applies(minor, operation):
            continue
        schema = _value(field, minor, operation)
        if field.policy is not None and keys.get(field.name, schema) != schema:
            schema = {'anyOf': [keys[field.name], schema]}
        keys[field.name] = schema
        required[field.name] = not field.optional and (field.policy is None or required.get(field.name, False))
    return _object(keys, [name for name, always in required.items() if always])


def _value(field, minor, operation):
    schema = field.type or {}
    if field.view is not None:
        schema = _item(field.view, minor, operation)
        schema = {'type': 'array', 'items': schema} if field.many else {**schema, 'type': ['object', 'null']}
    return {**schema, 'description': field.doc} if field.doc else schema


def _object(properties, required=()):
    return {'type': 'object', 'properties': properties, **({'required': list(required)} if required else {})}


_rendered = []


def application(environ, start_response):
    """/openapi.json"""
    if not _rendered:
        _rendered.append(orjson.dumps(document()))
    start_response('200 OK', [('Content-Type', 'application/json'), ('Content-Length', str(len(_rendered[0])))])
    return [_rendered[0]]


def factory(global_conf, **_local):
    """For paste."""
    return application
