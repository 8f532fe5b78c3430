# SPDX-License-Identifier: Apache-2.0
"""What the REST API has."""

import json

from nova.api import openapi as document
from nova.api.openstack import microversions, wsgi
from nova.cmd.manage import output


def routes(context):
    """Every route: method, path, action, versions, policy rule."""
    return [{'method': route.method, 'path': route.path, 'action': route.action,
             'since': microversions.text(route.range.first), 'until': microversions.text(route.range.last),
             'rule': route.policy.name if route.policy else None, 'handler': f'{type(route.handler).__name__}'
             if not hasattr(route.handler, '__qualname__') else route.handler.__qualname__}
            for route in sorted(wsgi.table().routes, key=lambda route: (route.path, route.method, route.action or ''))]


def openapi(context):
    """The OpenAPI document, as JSON."""
    return output.Document(json.dumps(document.document(), indent=2))


COMMANDS = {'routes': routes, 'openapi': openapi}
