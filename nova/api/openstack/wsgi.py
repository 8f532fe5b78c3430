# SPDX-License-Identifier: Apache-2.0
"""A REST resource, declared; and the application that serves all of them.

How to add a resource: make a module in `nova.api.openstack.compute`; it is found by being there.

    class Keypairs(wsgi.Resource):
        \"\"\"SSH keys and X.509 certificates that a user puts into new servers.\"\"\"
        path = '/os-keypairs'

        @wsgi.get(query=QUERY, view=VIEW.many('keypairs'), policy=Rule('os-keypairs:index', USER))
        def index(self, context, limit, marker=None): ...

        @wsgi.get('/{name}', view=VIEW.one('keypair'), policy=Rule('os-keypairs:show', USER),
                  errors=(exception.KeypairNotFound,))
        def show(self, context, name): ...

        @wsgi.post(body=BODY, view=VIEW.one('keypair'), success={'2.1': 200, '2.2': 201}, ...)
        def create(self, context, name, public_key=None): ...

    class Power(wsgi.Resource):
        path = '/servers/{server_id}'

        @wsgi.action('os-stop', policy=..., errors=(exception.InstanceInvalidState, ...))
        def stop(self, context, server_id): ...

* A handler gets the context, the parts of the path, and the validated values of body and query, by name.  Names it
  does not take are not passed: `needs` (what the view of this version has to know), `minor` (the version), `legacy`
  (whether it is /v2) and `links` are there for those few that ask.  It returns what the view is a view of; `Answer`
  where headers or another status go with it.
* `body`, `query`: tables of `schema`; `view`: of `view`; `flags`: `Since`/`Until` of `microversions`.
* `success`: a status, or {version since which: status}.  `errors`: exceptions that may be raised, or {exception: status
  instead of the default of its kind}.  Anything else that is raised is a bug: 500, and a traceback in the log.
  `may`: further statuses that an `Answer` may have.
* `policy`: a Rule; `target`: function of the handler's arguments that says whose thing it is, if not the caller's.
* `since`, `until`: versions in which the route exists.
* `words`: whether a fixed word that stood in the place of its id at other versions is an id (of no use) now.
"""

import functools
import importlib
import inspect
import pkgutil
import re

import orjson
from oslo_log import log

from nova import policy as nova_policy
from nova.api.openstack import errors as faults
from nova.api.openstack import links, microversions, schema, versions
from nova.api.openstack.errors import Refused
from nova.conf import CONF
from nova.notifications import tell

LOG = log.getLogger(__name__)

JSON = 'application/json'
#: What may stand before a resource's name in a URL.
_PROJECT = re.compile(r'[0-9a-zA-Z-]+', re.ASCII)
#: Sent as JSON although they do not say so.
_AS_JSON = ('application/json', 'text/plain', '')

#: In tests a handler that answers what its route does not declare is an error.
strict = False


class Answer:
    """A handler's answer with more than the thing itself."""

    def __init__(self, item=None, *, headers=(), status=None, location=None, raw=None, more=()):
        """
        :param location: path ('/servers/x') of the Location header.
        :param raw: JSON instead of what the view would make.
        :param more: JSON of items that come after those of the list.
        """
        self.item, self.headers, self.status, self.location = item, list(headers), status, location
        self.raw, self.more = raw, list(more)


class Request:
    """What views and links are made for."""

    __slots__ = ('context', 'limit', 'links', 'minor', 'pairs', 'path')

    def __init__(self, context, minor, environ, version, project, path, pairs):
        self.context, self.minor, self.path, self.pairs = context, minor, path, pairs
        self.links = links.Links(environ, version, project)
        self.limit = None


class Resource:
    """Base of all resources.  Made once, when it is first asked."""

    path = ''


class Route:
    """A handler and everything declared of it."""

    def __init__(self, method, suffix, *, body=None, query=None, view=None, success=None, errors=(), policy=None,
                 target=None, since=None, until=None, on=None, flags=(), action=None, may=(), words=False):
        self.method, self.suffix, self.action = method, suffix, action
        self.body, self.query, self.view = body, query, view
        self.success = success if isinstance(success, dict) else {'2.1': success or _SUCCESS[method]}
        self.may, self.words = may, words
        self.errors = dict.fromkeys(errors) if not isinstance(errors, dict) else errors
        self.policy, self.target, self.flags = policy, target, flags
        self.range = microversions.Range(since, until)
        self.on = on
        self._success = sorted(((microversions.minor(version), status) for version, status in self.success.items()),
                               reverse=True)
        self._endpoints = {}

    def bind(self, resource, name, handler):
        self.resource, self.name, self.handler = resource, name, handler
        self.on = self.on or name
        self.path = resource.path + self.suffix
        parameters = inspect.signature(handler).parameters
        self.takes = frozenset(parameters)
        self.takes_all = any(one.kind is one.VAR_KEYWORD for one in parameters.values())

    def status(self, minor):
        return next(status for since, status in self._success if since <= minor)

    def endpoint(self, at):
        """The route at a version, compiled at first use."""
        found = self._endpoints.get(at)
        if found is None:
            found = self._endpoints[at] = Endpoint(self, at)
        return found


_SUCCESS = {'GET': 200, 'POST': 200, 'PUT': 200, 'DELETE': 204, 'PATCH': 200}


def _declare(method, suffix='', **declared):
    def mark(function):
        function.__dict__.setdefault('routes', []).append((method, suffix, declared))
        return function
    return mark


get = functools.partial(_declare, 'GET')
post = functools.partial(_declare, 'POST')
put = functools.partial(_declare, 'PUT')
delete = functools.partial(_declare, 'DELETE')


def action(key, **declared):
    """A key of POST …/action.  Its success is 202 unless declared."""
    declared.setdefault('success', 202)
    return _declare('POST', '/action', action=key, **declared)


class Endpoint:
    """A route at a version: checks, calls, renders."""

    def __init__(self, route, at):
        self.route, self.at = route, at
        self.body = route.body.body(at, route.action) if route.body is not None else None
        self.query = route.query.compile(at) if route.query is not None else schema.Query().compile(at)
        self.success = route.status(at.minor)
        self.flags = {flag.name: at.minor in flag.range for flag in route.flags}
        table = route.view.table if route.view is not None else None
        self.rules = table.rules(at.minor, route.on) if table is not None else ()
        self.table = table

    def __call__(self, request, parts, body):
        """(status, headers, bytes)"""
        route, context = self.route, request.context
        values = {**parts, **self.flags}
        if self.body is not None:
            values.update(self.body(body))
        values.update(self.query(request.pairs))
        if route.policy is not None:
            nova_policy.authorize(context, route.policy, self._target(context, values))
        flat = self._view(context)
        request.limit = values.get('limit', (values.get('query') or {}).get('limit') if 'query' in values else None)
        if 'needs' in route.takes:
            values['needs'] = flat.needs if flat is not None else frozenset()
        if 'minor' in route.takes:
            values['minor'] = self.at.minor
        if 'legacy' in route.takes:
            values['legacy'] = self.at.legacy
        if 'links' in route.takes:
            values['links'] = request.links
        takes = route.takes
        answer = route.handler(_instance(route.resource), context,
                               **(values if route.takes_all else
                                  {name: value for name, value in values.items() if name in takes}))
        return self._render(answer, flat, request)

    def _target(self, context, values):
        if self.route.target is not None:
            return self.route.target(context, values)
        return None

    def _view(self, context):
        if self.table is None:
            return None
        allowed = frozenset(rule.name for rule in self.rules if nova_policy.check(context, rule))
        return self.table.compile(self.at.minor, self.route.on, allowed)

    def _render(self, answer, flat, request):
        headers, status, more = [], self.success, ()
        if isinstance(answer, Answer):
            headers = list(answer.headers)
            if answer.status:
                if strict and answer.status not in (*self.route.success.values(), *self.route.may):
                    raise faults.Undeclared(f'{self.route.path} does not declare that it answers {answer.status}')
                status = answer.status
            if answer.location:
                headers.append(('Location', request.links.to(answer.location)))
            if answer.raw is not None:
                return status, headers, orjson.dumps(answer.raw)
            answer, more = answer.item, answer.more
        if self.route.view is None or status == 204 or (answer is None and self.route.view.table is not None):
            return status, headers, b''
        body = self.route.view.render(flat, answer, request)
        if more:
            body[self.route.view.key] += more
        return status, headers, orjson.dumps(body)


_instances = {}


def _instance(resource):
    found = _instances.get(resource)
    if found is None:
        found = _instances[resource] = resource()
    return found


# Finding routes ------------------------------------------------------------------------------------------------------

class Table:
    """All routes, by the segments of their paths."""

    def __init__(self, routes):
        self.routes = routes
        self.root = {}
        for route in routes:
            node = self.root
            for segment in route.path.strip('/').split('/'):
                node = node.setdefault('{}' if segment.startswith('{') else segment, {})
            methods = node.setdefault('', {})
            names = [segment[1:-1] for segment in route.path.split('/') if segment.startswith('{')]
            methods.setdefault(route.method, []).append((route, names))
        self.collections = frozenset(key for key in self.root if key != '{}')

    def match(self, method, segments, minor):
        """(routes of the path and method at any version, those at this version), both as [(route, {part: value}), …].

        More than one where actions divide a URL.
        """
        found = self._find(method, segments)
        if not found:
            # A fixed segment hides a variable one (/flavors/detail, /flavors/{id}); where it has no such method, the
            # variable one is meant.  Where it had one at other versions, the URL is gone: 404.
            found = next(filter(None, self._all(self.root, method, segments, ())), ())
        here = [(route, parts) for route, parts in found if minor in route.range]
        if found and not here:
            here = [(route, parts) for routes in self._all(self.root, method, segments, ()) for route, parts in routes
                    if route.words and minor in route.range]
        return found, here

    def _all(self, node, method, segments, values):
        """What `_find` gives, for every way to read the path."""
        if not segments:
            yield [(route, dict(zip(names, values, strict=True))) for route, names in node.get('', {}).get(method, ())]
            return
        first, rest = segments[0], segments[1:]
        if first and first != '{}' and first in node:
            yield from self._all(node[first], method, rest, values)
        if first and '{}' in node:
            yield from self._all(node['{}'], method, rest, (*values, first))

    def _find(self, method, segments):
        """[(route, {part: value}), …] of a path, fixed segments first."""
        node, values = self.root, []
        for segment in segments:
            following = node.get(segment) if segment and segment != '{}' else None
            if following is None:
                following = node.get('{}')
                if following is None or not segment:
                    return ()
                values.append(segment)
            node = following
        return [(route, dict(zip(names, values, strict=True))) for route, names in node.get('', {}).get(method, ())]


@functools.cache
def table():
    """The routes of all resources; modules of `nova.api.openstack.compute` are found by being there."""
    from nova.api.openstack import compute
    for info in pkgutil.iter_modules(compute.__path__):
        importlib.import_module(f'{compute.__name__}.{info.name}')
    return Table(list(_routes(Resource)))


def _routes(cls):
    for resource in cls.__subclasses__():
        for name, handler in vars(resource).items():
            for method, suffix, declared in getattr(handler, 'routes', ()):
                route = Route(method, suffix, **declared)
                route.bind(resource, name, handler)
                yield route
        yield from _routes(resource)


# Serving -------------------------------------------------------------------------------------------------------------

class Application:
    """One major version: '/v2.1', or '/v2' with its forgiving rules."""

    def __init__(self, version='/v2.1', legacy=False):
        self.version, self.legacy = version, legacy
        self.table = table()

    def __call__(self, environ, start_response):
        context = environ.get('nova.context')
        minor = microversions.MIN if self.legacy else microversions.answered(environ)
        try:
            if not self.legacy:
                _check_version(environ)
            status, headers, body = self._answer(environ, context, minor)
        except Exception as error:
            status, message = faults.response(error, getattr(environ.get('nova.found'), 'errors', {}), context)
            if status == 500:
                tell.api_fault(context, environ.get('PATH_INFO', ''), status, error)
                if strict:
                    raise
            headers, body = [], faults.body(status, message)
        if not self.legacy:
            headers += microversions.HEADERS[minor]
        request_id = context.request_id if context is not None else environ.get('openstack.request_id')
        if request_id:
            headers += [('x-openstack-request-id', request_id), ('x-compute-request-id', request_id)]
        if body or status not in (202, 204):
            headers.append(('Content-Type', JSON))
        headers.append(('Content-Length', str(len(body))))
        start_response(faults.STATUS_LINES[status], headers)
        return [body]

    def _answer(self, environ, context, minor):
        path = _text(environ.get('PATH_INFO', ''))
        segments = path.split('/')[1:]
        project = ''
        if segments and segments[0] not in self.table.collections:
            project = segments.pop(0)
            if project != context.project_id and not _PROJECT.fullmatch(project):
                raise Refused(faults.NO_SUCH_URL, 404)
        if segments and not segments[-1]:
            if segments != [''] or project != context.project_id or environ['REQUEST_METHOD'] != 'GET':
                raise Refused(faults.NO_SUCH_URL, 404)      # an id that is empty
            return 200, [], orjson.dumps({'version': versions.full('v2.0' if self.legacy else 'v2.1',
                                                                   links.base_url(environ))})
        found, candidates = self.table.match(environ['REQUEST_METHOD'], segments, minor)
        if not candidates:
            raise Refused(faults.NO_SUCH_URL, 404)
        if project:
            if project != context.project_id:
                raise Refused(f'The project id in the URL, {project!r}, is not that of the token.')
            project = f'/{project}'
        at = microversions.LEGACY if self.legacy else microversions.At(minor)
        body = _body(environ) if environ['REQUEST_METHOD'] in ('POST', 'PUT', 'PATCH') else None
        route, parts = candidates[0]
        environ['nova.route'] = route.path
        if route.action is not None:
            route, parts = _choose_action(found, candidates, body)
        environ['nova.found'] = route
        request = Request(context, minor, environ, self.version, project, '/' + '/'.join(segments),
                          schema.parse_query(environ.get('QUERY_STRING', '')))
        return route.endpoint(at)(request, parts, body)


def _check_version(environ):
    """Raises Refused when the request asks for a version that we do not have."""
    try:
        microversions.requested(environ)
    except microversions.VersionNotSupported as error:
        raise Refused(error.message, 406) from error
    except microversions.InvalidVersion as error:
        raise Refused(error.message) from error


def _choose_action(found, candidates, body):
    """The action whose key the body has.  Exactly one key; one that this version does not have is 404."""
    if not isinstance(body, dict) or len(body) != 1:
        raise Refused('body: must be an object with exactly one key, the name of the action.')
    key = next(iter(body))
    for route, parts in candidates:
        if route.action == key:
            return route, parts
    if any(route.action == key for route, _parts in found):
        raise Refused(faults.NO_SUCH_URL, 404)
    known = ', '.join(sorted(route.action for route, _parts in candidates))
    raise Refused(f'There is no such action: {key}. There are {known}.')


def _body(environ):
    """The JSON of the body; None when there is none."""
    length = environ.get('CONTENT_LENGTH') or '0'
    if not length.isascii() or not length.isdigit() or len(length) > 18:
        raise Refused('Content-Length: is no number of bytes.')
    length = int(length)
    if length > CONF.api.max_request_body_size:
        raise Refused(f'The request body is larger than {CONF.api.max_request_body_size} bytes.', 413)
    if length:
        data = environ['wsgi.input'].read(length)
    elif environ.get('wsgi.input_terminated') or environ.get('HTTP_TRANSFER_ENCODING', '').lower() == 'chunked':
        data = environ['wsgi.input'].read(CONF.api.max_request_body_size + 1)
        if len(data) > CONF.api.max_request_body_size:
            raise Refused(f'The request body is larger than {CONF.api.max_request_body_size} bytes.', 413)
    else:
        return None
    if not data:
        return None
    kind = environ.get('CONTENT_TYPE', '').partition(';')[0].strip().lower()
    if kind not in _AS_JSON:
        raise Refused(f'Content-Type: {kind} is not supported; it must be application/json.', 415)
    try:
        body = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise Refused(f'body: is not JSON: {error}.') from error
    # Not every database can keep it, and no name or text of ours has it.
    if b'\\u0000' in data and _has_nul(body):
        raise Refused('body: a text has a NUL character.')
    return body


def _has_nul(value):
    if isinstance(value, dict):
        return any('\0' in key or _has_nul(item) for key, item in value.items())
    if isinstance(value, list):
        return any(map(_has_nul, value))
    return isinstance(value, str) and '\0' in value


def _text(path):
    """The path of an environ, which is bytes dressed as Latin-1.  Raises Refused if it is no UTF-8, or has NUL."""
    if '\0' in path:
        raise Refused(faults.NO_SUCH_URL, 404)
    if path.isascii():
        return path
    try:
        return path.encode('latin-1').decode()
    except UnicodeError as error:
        raise Refused(faults.NO_SUCH_URL, 404) from error


def factory(global_conf, version='/v2.1', legacy='false', **_local):
    """For paste."""
    return Application(version, legacy.lower() == 'true')
