# SPDX-License-Identifier: Apache-2.0
"""Every answer that a functional test gets is what its route declares at its version: status, and body against schema.

The schemas are those of the OpenAPI document, at the version of the request; and an object has no key that they do not
name.
"""

import functools
import json
import re
import urllib.parse

import jsonschema

from nova.api import openapi
from nova.api.openstack import microversions, wsgi

#: What stands before a resource's path: the endpoint and, in some URLs, the project.
_ENDPOINT = re.compile(r'(https?://[^/]+)?/v2(?P<major>\.1)?(?=/)')


def check(method, url, body, headers, status, content):
    """Raise AssertionError where an answer is not what its route declares.

    :param body: what was sent, as Python has it, or None.
    :param headers: those of the request.
    :param content: the answer's body in bytes.
    """
    endpoint = _ENDPOINT.match(url)
    if endpoint is None or not 200 <= status < 300:
        return
    minor = _minor(headers) if endpoint['major'] else microversions.MIN
    route = _route(method, url[endpoint.end():].partition('?')[0], body, minor)
    if route is None:
        return
    what = f'{method} {url} at 2.{minor}'
    assert status in (route.status(minor), *route.may), f'{what}: {status} is not declared'
    if route.view is None or status == 204:
        assert not content, f'{what}: declares no body, has {content[:300]}'
    elif content or not getattr(route.view, 'empty', False):
        assert content, f'{what}: has no body'
        error = jsonschema.exceptions.best_match(_validator(route, minor).iter_errors(json.loads(content)))
        assert error is None, f'{what}: {error.json_path}: {error.message[:600]}'


def _minor(headers):
    return microversions.answered({'HTTP_' + name.upper().replace('-', '_'): value for name, value in headers.items()
                                   if value is not None})


def _route(method, path, body, minor):
    """The route that answered; None for what is none, like the versions."""
    table = wsgi.table()
    segments = [urllib.parse.unquote(segment) for segment in path.strip('/').split('/')]
    if segments[0] not in table.collections:
        segments = segments[1:]
    action = next(iter(body), None) if isinstance(body, dict) else None
    found = table.match(method, segments, minor)[1]
    return next((route for route, _parts in found if route.action in (None, action)), None)


@functools.cache
def _validator(route, minor):
    return jsonschema.Draft202012Validator(_closed(openapi.answer(route, minor)))


def _closed(schema):
    """The schema with no keys in objects but those that it names."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: ({name: _closed(item) for name, item in value.items()} if key == 'properties' else _closed(value))
             for key, value in schema.items()}
    if 'properties' in found:
        found.setdefault('additionalProperties', False)
    return found
