# SPDX-License-Identifier: Apache-2.0
"""URLs of things, as the client that asked would write them."""

import urllib.parse

from nova.conf import CONF


def base_url(environ):
    """URL of the API without a version and without a final slash: [api]compute_link_prefix, or as the client came."""
    outside = environ.get('nova.mount', '')
    prefix = CONF.api.compute_link_prefix
    if prefix:
        return prefix.rstrip('/') + outside
    return f"{environ['wsgi.url_scheme']}://{host(environ)}{outside}"


def host(environ):
    """host[:port] as the client wrote it."""
    named = environ.get('HTTP_HOST')
    if named:
        return named
    port = environ.get('SERVER_PORT', '')
    default = {'http': '80', 'https': '443'}.get(environ['wsgi.url_scheme'])
    return environ['SERVER_NAME'] + (f':{port}' if port and port != default else '')


class Links:
    """Makes URLs for one request.

    `version` is the version's segment ('/v2.1'), `project` '' or '/<project id>', if the client put it into its URL.
    """

    __slots__ = ('base', 'bookmark', 'own', 'version')

    def __init__(self, environ, version, project):
        self.version = version
        self.base = base = base_url(environ)
        self.own = f'{base}{version}{project}'
        self.bookmark = f'{base}{project}'

    def item(self, collection, id):
        """`links` of an item: self and bookmark."""
        return [{'rel': 'self', 'href': f'{self.own}/{collection}/{id}'},
                {'rel': 'bookmark', 'href': f'{self.bookmark}/{collection}/{id}'}]

    def bookmark_only(self, collection, id):
        """`links` of something mentioned in another item."""
        return [{'rel': 'bookmark', 'href': f'{self.bookmark}/{collection}/{id}'}]

    def to(self, path):
        """URL of a path ('/servers/x') in the version and project the client used."""
        return self.own + path

    def image(self, id):
        """`links` of an image: self, bookmark, and its place at the image service."""
        prefix = CONF.api.glance_link_prefix
        return [*self.item('images', id),
                {'rel': 'alternate', 'type': 'application/vnd.openstack.image',
                 'href': f'{(prefix or self._image_service()).rstrip("/")}/images/{id}'}]

    def _image_service(self):
        """Where the image service answers when no link prefix is set: its endpoint, or our own front door."""
        servers = CONF.glance.api_servers or ()
        override = getattr(CONF.glance, 'endpoint_override', None)
        if override:
            return override
        return servers[0] if servers else self.bookmark + '/image/v2'

    def next(self, path, pairs, marker):
        """URL of the page after `marker`: the same query, sorted by name."""
        query = sorted([(name, value) for name, value in pairs if name != 'marker'] + [('marker', marker)])
        return f'{self.own}{path}?{urllib.parse.urlencode(query)}'
