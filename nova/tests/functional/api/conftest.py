# SPDX-License-Identifier: Apache-2.0
"""The API as the paste file puts it together, called in this process, with a database of its own."""

import io
import pathlib

import orjson
import pytest
from paste import deploy

from nova import policy
from nova.api.openstack import wsgi
from nova.conf import CONF
from nova.tests.functional import conformance

PASTE = pathlib.Path(__file__).resolve().parents[4] / 'etc' / 'nova' / 'api-paste.ini'


class Answer:
    """What came back; `headers` is a list of pairs, names in lower case."""

    def __init__(self, status, headers, body):
        self.status, self.body = int(status.split()[0]), body
        self.headers = [(name.lower(), value) for name, value in headers]

    def header(self, name):
        return next((value for found, value in self.headers if found == name.lower()), None)

    @property
    def json(self):
        return orjson.loads(self.body)

    @property
    def message(self):
        (fault,) = self.json.values()
        assert fault['code'] == self.status
        return fault['message']


class Api:
    def __init__(self, app):
        self.app = app

    def __call__(self, method, path, body=None, *, version=None, token='admin:demo', data=None, kind=None, **environ):
        """Call.  `version` is a minor version's text; `data` are raw bytes; further names are of the WSGI environ."""
        sent = data if data is not None else b'' if body is None else orjson.dumps(body)
        path, _mark, query = path.partition('?')
        request = {'REQUEST_METHOD': method, 'PATH_INFO': path, 'QUERY_STRING': query, 'SCRIPT_NAME': '',
                   'SERVER_NAME': '127.0.0.1', 'SERVER_PORT': '8774', 'HTTP_HOST': 'api.example:8774',
                   'wsgi.url_scheme': 'http', 'wsgi.input': io.BytesIO(sent), 'CONTENT_LENGTH': str(len(sent)),
                   'CONTENT_TYPE': kind or ('application/json' if sent else ''), 'REMOTE_ADDR': '127.0.0.1'}
        if token is not None:
            request['HTTP_X_AUTH_TOKEN'] = token
        if version is not None:
            request['HTTP_OPENSTACK_API_VERSION'] = f'compute {version}'
        found = []
        chunks = list(self.app({**request, **environ}, lambda status, headers, exc_info=None: found.append(
            (status, headers))))
        assert len(chunks) == 1, 'a body is one piece'
        answer = Answer(*found[-1], chunks[0])
        assert answer.header('content-length') == str(len(answer.body))
        conformance.check(method, path, orjson.loads(sent) if sent and answer.status < 300 else None,
                          {'OpenStack-API-Version': request.get('HTTP_OPENSTACK_API_VERSION')}, answer.status,
                          answer.body)
        return answer


@pytest.fixture
def api(database, monkeypatch):
    CONF([], default_config_files=[])
    CONF.set_override('auth_strategy', 'noauth2', 'api')
    monkeypatch.setattr(wsgi, 'strict', True)
    policy.reset()
    yield Api(deploy.loadapp(f'config:{PASTE}', name='osapi_compute'))
    CONF.clear_override('auth_strategy', 'api')
    policy.reset()
