# SPDX-License-Identifier: Apache-2.0
"""The metadata service over HTTP.

A server is known by the address its request comes from, or by headers that the Network service's proxy signed; nobody
gets another server's metadata.
"""

import hashlib
import hmac

from oslo_log import log

from nova import exception
from nova.api.metadata import base
from nova.conf import CONF

LOG = log.getLogger(__name__)
_STATUS = {200: '200 OK', 400: '400 Bad Request', 403: '403 Forbidden', 404: '404 Not Found', 409: '409 Conflict'}
#: Where a guest may leave its encrypted password, once.
_PASSWORD_PARTS = 4
_PASSWORD_PART = 255


class Refused(Exception):
    """No answer, and why."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class Handler:
    """The WSGI application."""

    def __init__(self):
        self.cache = base.Cache()

    def __call__(self, environ, start_response):
        kind = 'text/plain; charset=UTF-8'
        try:
            path = environ.get('PATH_INFO', '')
            found = self._whose(environ)
            if path.rstrip('/').endswith('/password') and path.startswith('/openstack/'):
                body = self._password(environ, found)
            else:
                body = self._read(environ, found, path)
                kind = 'application/json' if path.endswith('.json') else kind
            status = 200
        except Refused as error:
            status, body = error.status, str(error).encode()
        except (base.Missing, exception.InstanceNotFound):
            status, body = 404, b'There is no such metadata.'
        start_response(_STATUS[status], [('Content-Type', kind), ('Content-Length', str(len(body)))])
        return [body]

    @staticmethod
    def _read(environ, found, path):
        if environ['REQUEST_METHOD'] not in ('GET', 'HEAD'):
            raise Refused(400, 'Metadata can only be read.')
        return found.lookup(path)

    def _whose(self, environ):
        if CONF.metadata.service_metadata_proxy:
            return self._by_signature(environ)
        address = environ.get('REMOTE_ADDR', '')
        if CONF.metadata.use_forwarded_for:
            address = environ.get('HTTP_X_FORWARDED_FOR', address).split(',')[0].strip()
        return self.cache.by_address(address)

    def _by_signature(self, environ):
        instance_id = environ.get('HTTP_X_INSTANCE_ID', '')
        signature = environ.get('HTTP_X_INSTANCE_ID_SIGNATURE', '')
        if not instance_id or not signature:
            raise Refused(400, 'X-Instance-ID and X-Instance-ID-Signature are missing from the request.')
        if not environ.get('HTTP_X_TENANT_ID'):
            raise Refused(400, 'X-Tenant-ID is missing from the request.')
        expected = hmac.new(CONF.metadata.metadata_proxy_shared_secret.encode(), instance_id.encode(),
                            hashlib.sha256).hexdigest()
        if not CONF.metadata.metadata_proxy_shared_secret or not hmac.compare_digest(
                expected.encode(), signature.encode()):
            LOG.warning('A metadata request for %s is signed wrongly; is metadata_proxy_shared_secret the same on both '
                        'sides?', instance_id)
            raise Refused(403, 'The signature of X-Instance-ID is wrong.')
        found = self.cache.by_id(instance_id, environ.get('HTTP_X_FORWARDED_FOR'))
        if environ.get('HTTP_X_TENANT_ID') != found.instance.project_id:
            raise Refused(404, 'There is no such metadata.')
        return found

    def _password(self, environ, found):
        """Read the encrypted password of a guest, or take it: once."""
        kept = found.instance.system_metadata or {}
        known = ''.join(kept.get(f'password_{part}', '') for part in range(_PASSWORD_PARTS))
        if environ['REQUEST_METHOD'] == 'GET':
            return known.encode()
        if environ['REQUEST_METHOD'] != 'POST':
            raise Refused(400, 'A password can be read or posted.')
        length = environ.get('CONTENT_LENGTH') or '0'
        if not (length.isascii() and length.isdecimal()):
            raise Refused(400, f'Content-Length: {length} is no number of bytes.')
        length = int(length)
        if length > _PASSWORD_PARTS * _PASSWORD_PART:
            raise Refused(400, f'The password must not be longer than {_PASSWORD_PARTS * _PASSWORD_PART} bytes.')
        text = environ['wsgi.input'].read(length).decode('ascii', 'replace')
        # The record at hand may be older than what another worker was told.
        is_first = found.instance.keep_password({
            f'password_{part}': text[part * _PASSWORD_PART:(part + 1) * _PASSWORD_PART]
            for part in range(_PASSWORD_PARTS)})
        self.cache.forget(found.instance.uuid)
        if not is_first:
            raise Refused(409, 'The password is set already.')
        return b''


def factory(global_conf, **_local):
    """For paste."""
    return Handler()
