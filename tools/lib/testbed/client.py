# SPDX-License-Identifier: Apache-2.0
"""What a bed itself asks of its API, as the administrator."""

import requests

from testbed import config

_VERSION = '2.96'
_TIMEOUT_S = 30


class Unreachable(Exception):
    """The API does not answer, or not with what was asked for."""


class Client:
    def __init__(self, state):
        self._url = config.endpoint(state)
        self._state = state
        self._http = requests.Session()
        # A proxy of the environment knows nothing of this machine's loopback.
        self._http.trust_env = False
        self._http.headers['OpenStack-API-Version'] = f'compute {_VERSION}'

    def _log_in(self):
        body = {'auth': {'identity': {'methods': ['password'], 'password': {'user': {
            'name': 'admin', 'domain': {'name': 'Default'}, 'password': config.admin_password(self._state)}}},
            'scope': {'project': {'name': 'admin', 'domain': {'name': 'Default'}}}}}
        answer = self._send('POST', '/identity/v3/auth/tokens', json=body)
        self._http.headers['X-Auth-Token'] = answer.headers['X-Subject-Token']

    def _send(self, method, path, **kwargs):
        try:
            answer = self._http.request(method, self._url + path, timeout=_TIMEOUT_S, **kwargs)
        except requests.RequestException as error:
            raise Unreachable(str(error)) from error
        if not answer.ok:
            raise Unreachable(f'{method} {path}: {answer.status_code} {answer.text[:500]}')
        return answer

    def call(self, method, path, **kwargs):
        """Send a request and return its `Response`.

        :raises Unreachable: unless it is a success.
        """
        if 'X-Auth-Token' not in self._http.headers:
            self._log_in()
        return self._send(method, path, **kwargs)

    def hypervisors(self):
        """{host: 'up' or 'down'} of the hypervisors."""
        found = self.call('GET', '/v2.1/os-hypervisors/detail').json()['hypervisors']
        return {one['service']['host']: one['state'] for one in found}

    def services(self):
        """{(host, binary): service as the API shows it}."""
        found = self.call('GET', '/v2.1/os-services').json()['services']
        return {(one['host'], one['binary']): one for one in found}

    def make_flavor(self, name, ram, vcpus, disk, flavorid):
        self.call('POST', '/v2.1/flavors', json={'flavor': {
            'name': name, 'ram': ram, 'vcpus': vcpus, 'disk': disk, 'id': flavorid}})

    def make_image(self, name, path, disk_format):
        made = self.call('POST', '/image/v2/images', json={
            'name': name, 'disk_format': disk_format, 'container_format': 'bare', 'visibility': 'public'}).json()
        with open(path, 'rb') as data:
            self.call('PUT', f'/image/v2/images/{made["id"]}/file', data=data,
                      headers={'Content-Type': 'application/octet-stream'})
