# SPDX-License-Identifier: Apache-2.0
"""The versions documents: what clients ask before they have a token."""

import orjson

from nova.api.openstack import errors, links, microversions

_MEDIA_TYPE = 'application/vnd.openstack.compute+json;version='
VERSIONS = {
    'v2.0': {'status': 'SUPPORTED', 'version': '', 'min_version': '', 'updated': '2011-01-21T11:33:21Z', 'path': '/v2/',
             'media': '2'},
    'v2.1': {'status': 'CURRENT', 'version': microversions.text(microversions.MAX),
             'min_version': microversions.text(microversions.MIN), 'updated': '2013-07-23T11:33:21Z', 'path': '/v2.1/',
             'media': '2.1'},
}


def short(name, base):
    """As in the list of versions."""
    version = VERSIONS[name]
    return {'id': name, 'status': version['status'], 'version': version['version'],
            'min_version': version['min_version'], 'updated': version['updated'],
            'links': [{'rel': 'self', 'href': base + version['path']}]}


def full(name, base):
    """A version's own document."""
    document = short(name, base)
    document['links'].append({'rel': 'describedby', 'type': 'text/html', 'href': 'http://docs.openstack.org/'})
    document['media-types'] = [{'base': 'application/json', 'type': _MEDIA_TYPE + VERSIONS[name]['media']}]
    return document


def answer(start_response, status, body):
    data = orjson.dumps(body)
    start_response(errors.STATUS_LINES[status], [('Content-Type', 'application/json'),
                                                 ('Content-Length', str(len(data)))])
    return [data]


def root(environ, start_response):
    """/, and everything that is under no version."""
    base = links.base_url(environ)
    path = environ.get('PATH_INFO', '')
    if path in ('', '/'):
        return answer(start_response, 200, {'versions': [short(name, base) for name in sorted(VERSIONS)]})
    choices = []
    for name in sorted(VERSIONS):
        version = VERSIONS[name]
        choices.append({'id': name, 'status': version['status'],
                        'links': [{'rel': 'self', 'href': base + version['path'].rstrip('/') + path}],
                        'media-types': full(name, base)['media-types']})
    return answer(start_response, 300, {'choices': choices})


class Discovery:
    """Answers for the version itself without asking who calls; all else goes on.

    Every answer below v2.1 says at which microversion it was given, also those that something else than its
    application gives (401).
    """

    def __init__(self, app, name):
        self.app, self.name = app, name

    def __call__(self, environ, start_response):
        if self.name == 'v2.1':
            start_response = _versioned(environ, start_response)
        if environ.get('PATH_INFO', '') in ('', '/') and environ['REQUEST_METHOD'] in ('GET', 'HEAD'):
            return answer(start_response, 200, {'version': full(self.name, links.base_url(environ))})
        return self.app(environ, start_response)


def _versioned(environ, start_response):
    """A start_response that adds the microversion's headers where they are missing."""
    def versioned(status, headers, exc_info=None):
        if not any(name == microversions.OLD_HEADER for name, _value in headers):
            headers = [*headers, *microversions.HEADERS[microversions.answered(environ)]]
        return start_response(status, headers, exc_info) if exc_info else start_response(status, headers)
    return versioned


def root_factory(global_conf, **_local):
    return root


def discovery_factory(global_conf, name='v2.1', **_local):
    return lambda app: Discovery(app, name)
