# SPDX-License-Identifier: Apache-2.0
"""A door: a table of routes, authentication, and one place where an error becomes a response."""

import re
import typing

import orjson
import webob
from oslo_log import log as logging

from nova import conf, exception
from nova import context as nova_context
from nova.api.standalone import tokens

CONF = conf.CONF
LOG = logging.getLogger(__name__)

STATUS_OF = {
    exception.INVALID: 400, exception.UNAUTHORIZED: 401, exception.FORBIDDEN: 403, exception.NOT_FOUND: 404,
    exception.CONFLICT: 409, exception.OVER_LIMIT: 403, exception.UNAVAILABLE: 503, exception.UNSUPPORTED: 501,
    exception.INTERNAL: 500,
}
_REASONS = {400: 'Bad Request', 401: 'Unauthorized', 403: 'Forbidden', 404: 'Not Found', 405: 'Method Not Allowed',
            409: 'Conflict', 413: 'Request Entity Too Large', 415: 'Unsupported Media Type',
            500: 'Internal Server Error', 501: 'Not Implemented', 503: 'Service Unavailable'}

#: Bytes of a body that is read whole (JSON).  What is larger is streamed, or refused.
MAX_JSON = 114688

# The roles that change things; with only `reader` one looks.
WRITERS = ('admin', 'manager', 'member', 'service')


class Route(typing.NamedTuple):
    """`path` has {names}, given to the handler as arguments; `public`: no token is asked for."""

    method: str
    path: str
    handler: typing.Callable
    status: int = 200
    public: bool = False


class TooLarge(exception.Invalid):
    msg_fmt = 'The body has more than %(limit)d bytes.'
    status = 413


class UnsupportedMediaType(exception.Invalid):
    msg_fmt = 'Content-Type: %(type)s is not taken here.'
    status = 415


class Call:
    """One request as a handler sees it: who asks (`context`; `identity` is what the token says), and for what."""

    def __init__(self, req):
        self.req = req
        self.context = None
        self.identity = None

    @property
    def body(self):
        """The JSON object in the body.

        :raises InvalidInput: it is none.
        """
        body = self.json()
        if not isinstance(body, dict):
            raise exception.InvalidInput(reason='the body must be a JSON object.')
        return body

    def json(self):
        text = self.req.body_file.read(MAX_JSON + 1)
        if len(text) > MAX_JSON:
            raise TooLarge(limit=MAX_JSON)
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError as exc:
            raise exception.InvalidInput(reason=f'the body is not JSON: {exc}') from exc

    def object(self, name):
        """The object of this name in the body."""
        value = self.body.get(name)
        if not isinstance(value, dict):
            raise exception.InvalidInput(reason=f'{name}: an object is needed in the body.')
        return value

    def paging(self, most=1000, default=1000):
        """(limit, marker) of the query."""
        limit = whole_number('limit', self.req.GET.get('limit', default))
        return min(limit, most), self.req.GET.get('marker')

    @property
    def url(self):
        """URL of this door, without a slash at its end."""
        if CONF.standalone.public_url:
            return CONF.standalone.public_url.rstrip('/') + self.req.script_name
        return self.req.application_url.rstrip('/')

    @property
    def site_url(self):
        """URL of the API that this is a door of."""
        return self.url.removesuffix(self.req.script_name.rstrip('/').rpartition('/')[2]).rstrip('/')

    def require_role(self, *roles):
        """:raises PolicyNotAuthorized: the caller has none of these roles."""
        if not self.context.is_admin and not set(roles) & set(self.context.roles):
            raise exception.NotAuthorized(f'One of the roles {", ".join(roles)} is needed.')


def whole_number(name, value):
    """Of a number or its decimal digits.  Raises InvalidInput."""
    text = str(value)
    # There are digits that are no numbers, and numbers that are too long to read.
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise exception.InvalidInput(reason=f'{name}: {text[:80]!r} is not a whole number.')
    return int(text)


def answer(body=None, status=200, headers=(), content_type='application/json'):
    """A response: JSON of `body`, or nothing."""
    response = webob.Response(status=status, content_type=content_type if body is not None else None)
    if body is not None:
        response.body = orjson.dumps(body)
    for name, value in dict(headers).items():
        response.headers[name] = value
    return response


class Door:
    """A WSGI application made of routes.

    :param fault: function (status, title, message, exception class name) -> body of an error, as this API words it.
    :param headers: of every answer.
    """

    def __init__(self, routes, fault, headers=()):
        self._fault, self._headers = fault, dict(headers)
        self._table = [(re.compile(re.sub(r'\{(\w+)\}', r'(?P<\1>[^/]+)', route.path) + '/?'), route)
                       for route in routes]

    def __call__(self, environ, start_response):
        req = webob.Request(environ)
        try:
            response = self._respond(req)
        except exception.NovaException as exc:
            response = self._error(req, getattr(exc, 'status', STATUS_OF[exc.kind]), exc.message, type(exc).__name__)
            if response.status_int >= 500:
                LOG.exception('%s %s failed', req.method, req.path)
        except Exception:
            LOG.exception('%s %s failed', req.method, req.path)
            response = self._error(req, 500, 'An unexpected error prevented the server from fulfilling your request.',
                                   'InternalError')
        response.headers.update(self._headers)
        return response(environ, start_response)

    def _respond(self, req):
        matches = [(match, route) for pattern, route in self._table if (match := pattern.fullmatch(req.path_info))]
        if not matches:
            return self._error(req, 404, 'The resource could not be found.', 'NotFound')
        method = 'GET' if req.method == 'HEAD' else req.method
        for match, route in matches:    # noqa: B007  used below
            if route.method == method:
                break
        else:
            response = self._error(req, 405, f'{req.method} is not possible here.', 'MethodNotAllowed')
            response.allow = sorted({route.method for _match, route in matches})
            return response
        call = Call(req)
        self._authenticate(call, route)
        result = route.handler(call, **match.groupdict())
        return result if isinstance(result, webob.Response) else answer(result, route.status)

    @staticmethod
    def _authenticate(call, route):
        environ = call.req.environ
        call.identity = tokens.authenticate_token(call.req.headers.get('X-Auth-Token'))
        # A site may have another way of knowing its users in front of this door.
        call.context = environ.get('nova.context')
        if call.context is None and call.identity is not None:
            call.context = context_of(call.identity, call.req)
        if call.context is None and not route.public:
            raise exception.Unauthorized('The request you have made requires authentication.')

    def _error(self, req, status, message, name):
        body = self._fault(status, _REASONS.get(status, 'Error'), message, name)
        response = answer(body, status)
        if status == 401:
            response.headers['WWW-Authenticate'] = f'Keystone uri="{Call(req).site_url}/identity/v3"'
        return response


def context_of(identity, req):
    """The request context of a valid token."""
    return nova_context.RequestContext(
        user_id=identity['user_id'], project_id=identity['project_id'], roles=list(identity['roles']),
        user_name=identity['user_name'], project_name=identity['project_name'], remote_address=req.remote_addr,
        auth_token=req.headers.get('X-Auth-Token'))
