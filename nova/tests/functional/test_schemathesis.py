# SPDX-License-Identifier: Apache-2.0
"""Requests by chance, made out of the OpenAPI document that the service serves.

Every operation gets requests that fit its schemas and requests that do not; then come walks in which what one
operation made is used by the next.  No answer may be a 5xx that the document does not announce, have a status that it
does not announce, or a body that does not fit.  All that is wrong is gathered and told at the end, once per operation
and kind.

NOVA_SCHEMATHESIS_EXAMPLES is how many requests each operation gets of each sort (2, the same ones every time, which
take about a minute; 50 are more than 20,000 requests in all, others every time).
"""

import base64
import collections
import copy
import itertools
import json
import os
import random
import re
import sys
import zlib

import hypothesis
import pytest
import requests
import schemathesis
from hypothesis import strategies as st
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi import checks

from nova.api.openstack import microversions, wsgi
from nova.tests import harness

EXAMPLES = int(os.environ.get('NOVA_SCHEMATHESIS_EXAMPLES', '2'))
#: The same requests every time, unless more were asked for than CI makes.
REPEATABLE = 'NOVA_SCHEMATHESIS_EXAMPLES' not in os.environ
#: Seconds after which a request is one that is never answered.
PATIENCE = 60
#: Announced by no operation, because they come before one is found.
BEFORE_ROUTES = {406, 413, 415}

#: What is known and waits to be repaired: (regular expression of an operation, of what is said of it) -> why.
KNOWN = {}

PUBLIC_KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl test'
#: Identifying keys of items, in the order in which they are looked for.
IDENTIFIERS = ('id', 'uuid', 'port_id', 'volumeId', 'request_id', 'alias', 'zoneName', 'name', 'host_name', 'address')
#: Values of path parameters, beside what lists have.
PLACES = {'host': ['test'], 'pattern': ['test', 'tes'], 'verb': ['delete'], 'version_id': ['v2.0', 'v2.1'],
          'action': ['startup', 'shutdown', 'reboot'], 'project_id': ['demo'], 'key': ['k'], 'tag': ['t'],
          'name': ['default'], 'address': ['10.0.0.2', '10.0.0.77'], 'domain': ['d'], 'cell': ['info'],
          'label': ['lan']}
#: Keys of bodies and queries that name something: the list it is in, or values that fit.
REFERENCES = {'imageRef': [harness.IMAGE_ID], 'flavorRef': ['1', '2'], 'volumeId': '/os-volumes',
              'volume_id': '/os-volumes', 'snapshot_id': '/os-snapshots', 'server_uuid': '/servers',
              'rescue_image_ref': [harness.IMAGE_ID],
              'key_name': '/os-keypairs', 'host': ['test', 'other'], 'hypervisor_hostname': ['test'],
              'availability_zone': ['nova'], 'binary': ['nova-compute'], 'net_id': '/os-networks',
              'networkId': '/os-networks', 'parent_group_id': '/os-security-groups', 'group_id': '/os-security-groups',
              'group': '/os-server-groups', 'same_host': '/servers', 'different_host': '/servers',
              'tenant_id': ['demo'], 'project_id': ['demo'], 'tenant': ['demo'], 'networks': ['none', 'auto'],
              'marker': '/servers', 'id': [harness.IMAGE_ID], 'address': '/os-floating-ips', 'size': [1, '1'],
              'ip_protocol': ['tcp', 'udp', 'icmp'], 'cidr': [f'10.7.{number}.0/28' for number in range(200)],
              'cidr_v6': [f'fd00:7:{number:x}::/64' for number in range(200)],
              'ip_range': [f'172.24.{number}.0/29' for number in range(200)], 'public_key': [PUBLIC_KEY],
              'boot_index': [0], 'associate_host': ['test'],
              'protocol': ['vnc', 'serial', 'spice'], 'user_id': ['admin']}
#: Operations that would spoil the others' chances: they come last, and are undone.
SPOILERS = ('/os-quota', '/os-services', '/os-hosts')
#: Other names of /servers, for those who have time.
ALIASES = ('/os-volumes_boot',)
#: More servers than that are removed before the next operation.
CROWD = 25

_text = st.text(st.characters(exclude_categories=['C', 'Z']), min_size=1, max_size=20)
for _name, _strategy in {
        'name': _text, 'printable': _text, 'legacy-name': _text, 'ip': st.ip_addresses().map(str),
        'cidr': st.ip_addresses().map(lambda address: f'{address}/{32 if address.version == 4 else 128}'),
        'timestamp': st.datetimes().map(lambda moment: moment.replace(microsecond=0).isoformat() + 'Z'),
        'base64': st.binary(max_size=30).map(lambda data: base64.b64encode(data).decode()),
        'regex': _text.map(re.escape)}.items():
    schemathesis.openapi.format(_name, _strategy)


def settings(examples, **more):
    """Hypothesis as a maker of requests only: nothing is repeated, shrunk or remembered."""
    return hypothesis.settings(max_examples=examples, derandomize=REPEATABLE, database=None, deadline=None,
                               phases=[hypothesis.Phase.generate], report_multiple_bugs=False,
                               suppress_health_check=list(hypothesis.HealthCheck), **more)


#: The newest version of each action, whose document shares one operation with all other actions of the path.
LAST = {}
for _route in wsgi.table().routes:
    LAST[_route.path, _route.action] = max(_route.range.last, LAST.get((_route.path, _route.action), 0))


def action_of(case):
    """The action that a case asks for, or None."""
    body = case.body
    key = next(iter(body)) if isinstance(body, dict) and len(body) == 1 else None
    return key if key is not None and (case.operation.path, key) in LAST else None


class Explorer:
    """Makes the requests real, judges the answers, and remembers what was wrong."""

    def __init__(self, site, document):
        self.site, self.client = site, site.client()
        self.schema = schemathesis.openapi.from_dict(document)
        self.document = document
        self.findings, self.statuses = {}, collections.Counter()
        self.lists = {}

    # Requests ---------------------------------------------------------------------------------------------------------

    def dress(self, case, dice, valid=True, chosen=True):
        """Put things that exist into a case, most of the time, and ask for the version that the document is about.

        :param valid: into bodies and queries too.
        :param chosen: into the path.
        """
        chance = random.Random(dice)
        prefix = ''
        for segment in case.operation.path.strip('/').split('/'):
            if segment.startswith('{'):
                name = segment[1:-1]
                held = [*self.members(prefix), *PLACES.get(name, ())]
                if chosen and held and chance.random() < 0.85:
                    case.path_parameters[name] = chance.choice(held)
                segment = str(case.path_parameters[name])
            prefix += '/' + segment
        if valid:
            if isinstance(case.body, dict | list):
                case.body = self._refer(case.body, chance)
            if isinstance(case.query, dict):
                case.query = self._refer(case.query, chance)
            if case.operation.path.endswith('/{key}') and isinstance(case.body, dict):
                case.body = _under(case.body, case.path_parameters['key'])
        # Others are the harness's own.
        case.headers.clear()
        last = LAST.get((case.operation.path, action_of(case))) or microversions.minor(
            case.operation.definition.raw['x-openstack']['max-version'])
        case.headers.update({'X-Auth-Token': 'admin:demo', 'OpenStack-API-Version': f'compute 2.{last}'})

    def _refer(self, value, chance):
        if isinstance(value, list):
            return [self._refer(item, chance) for item in value]
        if not isinstance(value, dict):
            return value
        out = {}
        for key, item in value.items():
            item = self._refer(item, chance)
            held = REFERENCES.get(key, ())
            if isinstance(held, str):
                held = self.members(held)
            if held and item is not None and chance.random() < 0.7:
                item = chance.choice(held)
            out[key] = item
        return out

    def members(self, path):
        """Ids of what a list has, [] where there is no such list; asked for once per operation."""
        if path not in self.lists:
            self.lists[path] = self._members(path)
        return self.lists[path]

    def _members(self, path):
        route = next((route for route, _parts in wsgi.table().match('GET', path.split('/')[1:], microversions.MAX)[0]),
                     None)
        if route is None or not re.fullmatch(r'/[^%?#]+', path):
            return []
        answer = self.client.call('GET', path, version=microversions.text(route.range.last))
        if answer.status_code != 200 or not isinstance(answer.json(), dict):
            return []
        held = next(iter(answer.json().values()), [])
        if isinstance(held, dict):
            return list(held)
        found = []
        for item in held if isinstance(held, list) else []:
            if isinstance(item, dict) and len(item) == 1 and isinstance(next(iter(item.values())), dict):
                (item,) = item.values()
            key = next((key for key in IDENTIFIERS if isinstance(item, dict) and item.get(key)), None)
            found.append(item[key] if key else item)
        return [one for one in found if isinstance(one, str | int)]

    # Answers ----------------------------------------------------------------------------------------------------------

    def send(self, case):
        try:
            answer = case.call(base_url=self.site.endpoint, session=self.client.http, timeout=PATIENCE)
        except requests.RequestException as error:
            self.note(case, f'no answer: {type(error).__name__}', str(error))
            return None
        self.judge(case, answer)
        return answer

    def judge(self, case, answer):
        """Note everything that is wrong with an answer."""
        status = answer.status_code
        self.statuses[status] += 1
        declared = {int(code) for code in case.operation.definition.raw['responses']}
        if status >= 500 and not (status in {501, 503} and status in declared):
            self.note(case, f'status {status}', answer.text[:600])
        elif status not in declared | BEFORE_ROUTES:
            self.note(case, f'undeclared status {status}', answer.text[:600])
        if 'OpenStack-API-Version'.lower() not in answer.headers:
            self.note(case, 'no version in the headers', answer.text[:600])
        if status in declared:
            try:
                case.validate_response(answer, checks=[checks.response_schema_conformance,
                                                       checks.content_type_conformance])
            except AssertionError as error:
                self.note(case, f'body of {status} does not fit', f'{_gist(error)}; {answer.text[:900]}')
            except BaseExceptionGroup as errors:
                for error in errors.exceptions:
                    self.note(case, f'body of {status} does not fit: {_gist(error)}', answer.text[:900])

    def note(self, case, what, detail):
        action = action_of(case)
        operation = f'{case.operation.method.upper()} {case.operation.path}' + (f'#{action}' if action else '')
        if (operation, what) not in self.findings:
            body = case.body if isinstance(case.body, dict | list | str | int | None) else repr(case.body)[:600]
            self.findings[operation, what] = (
                f'{case.method} {case.formatted_path} {dict(case.query or {})} '
                f'{case.headers.get("OpenStack-API-Version")}\n    sent: {json.dumps(body, default=repr)[:1500]}'
                f'\n    got: {detail}')

    def unknown(self):
        """What is not in KNOWN."""
        return {key: text for key, text in self.findings.items()
                if not any(re.search(operation, key[0]) and re.search(what, key[1]) for operation, what in KNOWN)}

    # Order ------------------------------------------------------------------------------------------------------------

    def tidy(self):
        """Before the next operation: room for servers, and a world that works."""
        self.lists.clear()
        servers = self.client.get('/servers?all_tenants=1')['servers']
        if len(servers) > CROWD:
            for server in servers:
                self.client.call('DELETE', f'/servers/{server["id"]}')
        if not any(server['status'] == 'ACTIVE' for server in self.client.get('/servers/detail')['servers']):
            self.client.call('POST', '/servers', {'server': {
                'name': 'spare', 'flavorRef': '1', 'imageRef': harness.IMAGE_ID, 'networks': 'none',
                'metadata': {'k': 'v'}, 'tags': ['t']}})

    def mend(self):
        """Undo what stops everything else."""
        for service in self.client.get('/os-services')['services']:
            self.client.call('PUT', f'/os-services/{service["id"]}', {'status': 'enabled', 'forced_down': False})
        self.client.call('DELETE', '/os-quota-sets/demo')


def _under(body, key):
    """The body of a PUT of one key, which has to be that of the URL: {old: x} or {'meta': {old: x}}."""
    if 'meta' in body:
        return {'meta': _under(body['meta'], key)} if isinstance(body['meta'], dict) else body
    return {key: next(iter(body.values()))} if len(body) == 1 else body


def _gist(error):
    """The first lines of what schemathesis says, without the values."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return re.sub(r'\s+', ' ', ' '.join(lines[:3]))[:160]


@pytest.fixture(scope='module')
def site():
    with harness.Cloud.all_in_one({'quota': {'instances': 60, 'cores': 500, 'ram': 500000}}) as site:
        yield site


@pytest.fixture(scope='module')
def explorer(site):
    client = site.client()
    document = client.call('GET', f'http://127.0.0.1:{site.port}/openapi.json').json()
    furnish(client)
    return Explorer(site, document)


def furnish(client):
    """One of each kind, so that requests find something."""
    client.cloud.manage('network', 'create', '--label', 'lan', '--cidr', '10.0.0.0/24')
    for path, body in (
            ('/flavors', {'flavor': {'name': 'other', 'id': '2', 'ram': 64, 'vcpus': 1, 'disk': 1}}),
            ('/flavors', {'flavor': {'name': 'own', 'id': '3', 'ram': 64, 'vcpus': 1, 'disk': 1,
                                     'os-flavor-access:is_public': False}}),
            ('/flavors/2/os-extra_specs', {'extra_specs': {'k': 'v'}}),
            ('/flavors/3/action', {'addTenantAccess': {'tenant': 'demo'}}),
            (f'/images/{harness.IMAGE_ID}/metadata', {'metadata': {'k': 'v'}}),
            ('/os-keypairs', {'keypair': {'name': 'key', 'public_key': PUBLIC_KEY}}),
            ('/os-server-groups', {'server_group': {'name': 'group', 'policies': ['anti-affinity']}}),
            ('/os-aggregates', {'aggregate': {'name': 'aggregate'}}),
            ('/os-volumes', {'volume': {'size': 1, 'display_name': 'volume'}}),
            ('/os-security-groups', {'security_group': {'name': 'sg', 'description': 'sg'}}),
            ('/os-floating-ips-bulk', {'floating_ips_bulk_create': {'ip_range': '172.25.0.0/28'}}),
            ('/os-floating-ips', {}), ('/os-floating-ips', {})):
        answer = client.call('POST', path, body, version='2.35' if 'flavor' not in path else '2.1')
        assert answer.ok, answer.text
    for number in range(3):
        client.boot(f'first-{number}', metadata={'k': 'v'}, tags=['t'], networks='auto')


def order(operation):
    """Makers first, then those who look, those who change, those who remove, parts before wholes."""
    depth = operation.path.count('/')
    return (['post', 'get', 'put', 'delete'].index(operation.method) if '/action' not in operation.path else 2,
            -depth if operation.method == 'delete' else 0, operation.path)


def operations(document):
    """Those of the document, where each action is one of its own."""
    for path, methods in document['paths'].items():
        if REPEATABLE and path.startswith(ALIASES):
            continue
        for method, operation in methods.items():
            content = operation.get('requestBody', {}).get('content', {}).get('application/json', {})
            for body in content['schema']['oneOf'] if path.endswith('/action') else [None]:
                alone = operation
                if body is not None:
                    (key,) = body['required']
                    said = operation['x-openstack']['actions'][key]
                    alone = {**operation, 'responses': said['responses'], 'x-openstack': said, 'requestBody': {
                        'required': True, 'content': {'application/json': {'schema': body}}}}
                schema = schemathesis.openapi.from_dict({**document, 'paths': {path: {method: alone}}})
                schema.config.generation.update(allow_x00=False)
                yield schema[path][method.upper()]


def _some_of(explorer, operation, mode):
    """Send requests to an operation that fit its schemas (positive), or that do not."""
    @settings(EXAMPLES)
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode), dice=st.integers(0, 1 << 30))
    def run(case, dice):
        explorer.dress(case, dice, mode is GenerationMode.POSITIVE)
        explorer.send(case)
    try:
        run()
    except hypothesis.errors.Unsatisfiable:
        # Nothing of it can be wrong: it has no body and no parameters.
        assert mode is GenerationMode.NEGATIVE, f'{operation.label}: no request fits its schemas'


def walk_through(explorer, operations):
    """Every operation, in the order that lets most of them find what they are about."""
    for operation in sorted(operations, key=order):
        explorer.tidy()
        for mode in GenerationMode:
            _some_of(explorer, operation, mode)


def test_requests_to_every_operation(explorer):
    walk_through(explorer, (one for one in operations(explorer.document) if not one.path.startswith(SPOILERS)))
    report(explorer)


def test_walks_from_operation_to_operation(explorer):
    """What an operation answered goes into the next one, along the links that the paths imply."""
    schema = schemathesis.openapi.from_dict(linked(explorer.document))
    schema.config.generation.update(allow_x00=False)

    class Walk(schema.as_state_machine()):
        walks = 0

        def setup(self):
            Walk.walks += 1
            explorer.tidy()

        def before_call(self, case):
            explorer.dress(case, zlib.crc32(repr(case.body).encode()), chosen=False)

        def call(self, case, **kwargs):
            return case.call(base_url=explorer.site.endpoint, session=explorer.client.http, timeout=PATIENCE)

        def validate_response(self, response, case, **kwargs):
            explorer.judge(case, response)

    for seed in itertools.count():
        try:
            hypothesis.seed(seed if REPEATABLE else random.getrandbits(64))(Walk)
            Walk.run(settings=settings(EXAMPLES * 10, stateful_step_count=12))
        except hypothesis.errors.FlakyStrategyDefinition:
            # What is possible next depends on the answers, which hypothesis does not know of: it remembers another
            # way from here.  A new run remembers none.
            pass
        if Walk.walks >= EXAMPLES * 10:
            break
    report(explorer)


def test_requests_that_would_spoil_the_others(explorer):
    walk_through(explorer, (one for one in operations(explorer.document) if one.path.startswith(SPOILERS)))
    report(explorer)


def linked(document):
    """The document with OpenAPI links: from what lists an item or makes one, to whatever has its id in the path."""
    document = copy.deepcopy(document)
    document['paths'] = {path: methods for path, methods in document['paths'].items() if not path.startswith(SPOILERS)}
    for collection, methods in document['paths'].items():
        below = {path: match[1] for path in document['paths']
                 if (match := re.match(re.escape(collection) + r'/\{(\w+)\}(/|$)', path))}
        for method in ('get', 'post'):
            if method not in methods:
                continue
            status, answer = next(iter(methods[method]['responses'].items()))
            keys = answer.get('content', {}).get('application/json', {}).get('schema', {}).get('properties', {})
            for key, held in keys.items():
                identifier = next((name for name in IDENTIFIERS if name in held.get('items', held).get(
                    'properties', ())), None)
                if identifier is None:
                    continue
                pointer = f'/{key}/0/{identifier}' if 'items' in held else f'/{key}/{identifier}'
                links = {f'{target}-{path}': {'operationId': operation['operationId'],
                                              'parameters': {f'path.{name}': f'$response.body#{pointer}'}}
                         for path, name in below.items() for target, operation in document['paths'][path].items()}
                methods[method]['responses'][status]['links'] = links
    return document


def report(explorer):
    unknown = explorer.unknown()
    sys.stdout.write(f'{sum(explorer.statuses.values())} requests: {dict(sorted(explorer.statuses.items()))}\n')
    text = '\n\n'.join(f'{operation}: {what}\n    {detail}' for (operation, what), detail in sorted(unknown.items()))
    if path := os.environ.get('NOVA_SCHEMATHESIS_REPORT'):
        with open(path, 'w') as file:
            file.write(text)
    assert not unknown, f'{len(unknown)} kinds of wrong answers:\n\n{text}'
