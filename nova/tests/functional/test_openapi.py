# SPDX-License-Identifier: Apache-2.0
"""The OpenAPI document: served without a token, valid, and as complete as the routes."""

import json

from openapi_spec_validator import validate

from nova.api.openstack import wsgi


def test_the_document_is_served_and_valid(cloud):
    answer = cloud.client(token='').call('GET', f'http://127.0.0.1:{cloud.port}/openapi.json')
    assert answer.status_code == 200
    document = answer.json()
    validate(document)
    for route in wsgi.table().routes:
        operation = document['paths'][route.path][route.method.lower()]
        if route.action:
            schemas = operation['requestBody']['content']['application/json']['schema']['oneOf']
            assert any(route.action in schema.get('properties', ()) for schema in schemas)
    assert json.loads(cloud.manage('api', 'openapi')) == document
