# SPDX-License-Identifier: Apache-2.0
"""The OpenAPI document of the Compute API, out of the declarations that serve it.

It describes the newest version at which each route exists; `x-openstack` says since and until when.
"""

import re

import orjson

from nova.api.openstack import errors, microversions, wsgi

#: Said of an action's body, which has exactly one key.
_ACTION = 'One of these keys says what is to be done.'
_ERROR = {
    'type': 'object', 'minProperties': 1, 'maxProperties': 1,
    'additionalProperties': {'type': 'object', 'required': ['code', 'message'],
                             'properties': {'code': {'type': 'integer'}, 'message': {'type': 'string'}}}}


def document(server='/v2.1'):
    """The document as a dict, valid under OpenAPI 3.1."""
    paths = {}
    for route in wsgi.table().routes:
        operations = paths.setdefault(route.path, {})
        method = route.method.lower()
        if route.action is not None and method in operations:
            _add_action(operations[method], route)
        elif method not in operations or route.range.last > operations[method]['x-openstack']['last']:
            operations[method] = _operation(route)
    for operations in paths.values():
        for operation in operations.values():
            operation['x-openstack'].pop('last', None)
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


def _at(route):
    return microversions.At(route.range.last)


def _operation(route):
    at = _at(route)
    operation = {
        'operationId': re.sub(r'\W+', '_', f'{route.method.lower()}{route.path}').strip('_'),
        'summary': _summary(route), 'tags': [route.path.strip('/').split('/')[0]],
        'parameters': [_part(name) for name in re.findall(r'\{(\w+)\}', route.path)] + _query(route, at),
        'responses': _responses(route),
        'x-openstack': {'min-version': microversions.text(route.range.first), 'last': route.range.last,
                        'max-version': microversions.text(route.range.last),
                        **({'policy': route.policy.name} if route.policy else {})},
    }
    schema = _body(route, at)
    if schema is not None:
        if route.action is not None:
            schema = {'oneOf': [schema], 'description': _ACTION}
        operation['requestBody'] = {'required': True, 'content': {'application/json': {'schema': schema}}}
    return operation


def _add_action(operation, route):
    operation['requestBody']['content']['application/json']['schema']['oneOf'].append(_body(route, _at(route)))
    for status, answer in _responses(route).items():
        operation['responses'].setdefault(status, answer)


def _summary(route):
    text = (route.handler.__doc__ or route.resource.__doc__ or '').strip().split('\n')[0]
    return text.rstrip('.') or route.name


def _body(route, at):
    if route.body is None:
        return None
    body = route.body.body(at, route.action)
    if body is not None:
        return body.fragment
    return {'type': 'object', **({'required': [route.action], 'properties': {route.action: {}}} if route.action
                                 else {})}


def _part(name):
    return {'name': name, 'in': 'path', 'required': True, 'schema': {'type': 'string'}}


def _query(route, at):
    if route.query is None:
        return []
    return [{'name': field.name, 'in': 'query', 'required': False, 'schema': field.schema(at)}
            for field in route.query.select(at)]


def _responses(route):
    status = route.status(route.range.last)
    good = {'description': errors.STATUS_LINES[status].partition(' ')[2]}
    if route.view is not None and status != 204:
        good['content'] = {'application/json': {'schema': _answer(route)}}
    found = {str(status): good}
    refused = {400, 401, 403, 404, *(
        code or errors.STATUS_OF[kind.kind] for kind, code in route.errors.items())}
    for code in sorted(refused - {status}):
        found[str(code)] = {'description': errors.STATUS_LINES[code].partition(' ')[2], 'content': {
            'application/json': {'schema': {'$ref': '#/components/schemas/Error'}}}}
    return found


def _answer(route):
    """The keys of an answer; a field says its type where it declares one."""
    view = route.view
    if view.table is None:
        return view.schema if view.key is None else _object({view.key: view.schema}, [view.key])
    item = _item(view.table, route.range.last, route.on)
    if view.key is None:
        return item
    if hasattr(view, 'links'):
        return _object({view.key: {'type': 'array', 'items': item},
                        **({view.links: {'type': 'array'}} if view.links else {})}, [view.key])
    return _object({view.key: item}, [view.key])


def _item(table, minor, operation):
    keys = {}
    for field in table.fields:
        if field.applies(minor, operation):
            schema = {}
            if field.view is not None:
                schema = _item(field.view, minor, operation)
                schema = {'type': 'array', 'items': schema} if field.many else {**schema, 'type': ['object', 'null']}
            elif field.type is not None:
                schema = {'type': field.type} if isinstance(field.type, str) else field.type
            keys[field.name] = {**schema, **({'description': field.doc} if field.doc else {})}
    return _object(keys)


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
