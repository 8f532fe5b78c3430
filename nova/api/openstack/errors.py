# SPDX-License-Identifier: Apache-2.0
"""From exception to response: the only place that knows both."""

import http

import orjson
from oslo_db import exception as db_exception
from oslo_log import log as logging
from oslo_utils import uuidutils

from nova import exception

LOG = logging.getLogger(__name__)

#: Default status of each kind of exception; a route overrides it in its `errors`.
STATUS_OF = {
    exception.INVALID: 400, exception.UNAUTHORIZED: 401, exception.FORBIDDEN: 403, exception.NOT_FOUND: 404,
    exception.CONFLICT: 409, exception.OVER_LIMIT: 403, exception.UNAVAILABLE: 503, exception.UNSUPPORTED: 501,
    exception.INTERNAL: 500,
}

#: The key of an error's body.
FAULT_NAMES = {400: 'badRequest', 401: 'unauthorized', 403: 'forbidden', 404: 'itemNotFound', 405: 'badMethod',
               409: 'conflictingRequest', 413: 'overLimit', 415: 'badMediaType', 429: 'overLimit',
               501: 'notImplemented', 503: 'serviceUnavailable'}

STATUS_LINES = {status.value: f'{status.value} {status.phrase}' for status in http.HTTPStatus}

#: What every database can hold.
LARGEST_ID = 2 ** 63 - 1
#: Said of a URL or method that does not exist (at this version).
NO_SUCH_URL = 'The resource could not be found.'


class Refused(exception.NovaException):
    """The framework itself refuses, with a status that every route may answer."""

    status = 400

    def __init__(self, message, status=None):
        super().__init__(message)
        if status is not None:
            self.status = status


def number(name, text):
    """The id of a row that a URL or body has, as a number; rows have those above 0.

    Raises Refused, which names the field: with 404 for what is an id elsewhere (a UUID), or an impossible number.
    """
    found = str(text)
    digits = found.removeprefix('-')
    if uuidutils.is_uuid_like(found):
        raise Refused(f'{name}: there is none with the id {found}; ids are numbers here.', 404)
    if not (digits.isascii() and digits.isdigit()) or int(digits[:20]) > LARGEST_ID:
        raise Refused(f'{name}: {found[:50]!r} is not a whole number of 0 to {LARGEST_ID}.')
    return int(found)


class Undeclared(AssertionError):
    """A handler answered what its route does not declare.  Only raised in tests; see `wsgi.strict`."""


def body(status, message):
    """The bytes of an error's body."""
    return orjson.dumps({FAULT_NAMES.get(status, 'computeFault'): {'code': status, 'message': message}})


def unforeseen(request_id):
    """The message of a 500: nothing about our inside, but where to look."""
    return f'Unexpected API Error: the service failed to do this. Its log tells why, under request id {request_id}.'


def response(error, declared, context):
    """(status, message) of an exception that a handler raised.

    :param declared: {exception class: status or None for the default of its kind} of the route.
    What is not declared is a bug of ours: 500, logged once with its traceback; unless the database, or a service beside
    us, went away.
    """
    if isinstance(error, Refused):
        return error.status, error.message
    for cls in type(error).__mro__:
        if cls in declared:
            status = declared[cls] or STATUS_OF[error.kind]
            # A 500 that a route declares is documented, and says why.
            if status != 500 or declared[cls]:
                return status, _message(error)
            break
    if isinstance(error, exception.PolicyNotAuthorized):
        return 403, error.message
    if isinstance(error, exception.NeighbourUnavailable):
        LOG.error('Request failed: %s', error.message)
        return 503, error.message
    if isinstance(error, db_exception.DBConnectionError):
        LOG.error('Request failed: the database does not answer: %s', error.__cause__ or error)
        return 503, 'The database does not answer at the moment. Nothing was done; try again in a few seconds.'
    LOG.error('Request failed', exc_info=error)
    return 500, unforeseen(context.request_id if context is not None else '-')


def _message(error):
    return getattr(error, 'message', None) or str(error)


def is_declared(error, declared):
    """Whether a handler may raise this."""
    return (isinstance(error, (Refused, exception.PolicyNotAuthorized, exception.NeighbourUnavailable))
            or any(cls in declared for cls in type(error).__mro__))
