# SPDX-License-Identifier: Apache-2.0
"""The client of the Block Storage service against a server that answers what it is told to."""

import http.server
import json
import threading
import types

import pytest

from nova import conf, exception, volume
from nova import context as nova_context
from nova.conf import CONF
from nova.volume import cinder, record

VOLUME, SERVER = '11111111-2222-3333-4444-555555555555', '99999999-2222-3333-4444-555555555555'
FOUND = {'id': VOLUME, 'status': 'in-use', 'size': 3, 'name': 'n', 'bootable': 'true', 'multiattach': True,
         'metadata': {'a': 'b'}, 'availability_zone': 'z', 'volume_type': 't', 'migration_status': None,
         'created_at': '2026-01-02T03:04:05.678900', 'os-vol-tenant-attr:tenant_id': 'p',
         'volume_image_metadata': {'image_id': 'i', 'image_name': 'cirros', 'hw_disk_bus': 'scsi'},
         'attachments': [{'attachment_id': 'a', 'server_id': SERVER, 'device': '/dev/vdb'}]}


class Service(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_args):
        pass

    def _answer(self):
        length = int(self.headers['Content-Length'] or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        self.server.asked.append((self.command, self.path, body, dict(self.headers)))
        status, answer = self.server.answers.pop(0)
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header('Content-Length', str(len(data)))
        self.send_header('Content-Type', 'application/json')
        self.end_headers()
        self.wfile.write(data)

    def __getattr__(self, name):
        if name.startswith('do_'):
            return self._answer
        raise AttributeError(name)


@pytest.fixture
def service():
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Service)
    server.asked, server.answers = [], []
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    conf.register_late(CONF, 'cinder')
    CONF.set_override('backend', 'cinder', 'volume')
    CONF.set_override('endpoint_template', f'http://127.0.0.1:{server.server_port}/v3/%(project_id)s', 'cinder')
    CONF.set_override('http_retries', 0, 'cinder')
    yield server
    for name, group in (('backend', 'volume'), ('endpoint_template', 'cinder'), ('http_retries', 'cinder'),
                        ('cross_az_attach', 'cinder'), ('creation_timeout', 'volume')):
        CONF.clear_override(name, group)
    server.shutdown()
    server.server_close()


@pytest.fixture
def api(service):
    return volume.API()


@pytest.fixture
def context():
    return nova_context.RequestContext(user_id='u', project_id='p', auth_token='the token')


def test_a_volume_reads_like_one_of_ours(service, api, context):
    service.answers.append((200, {'volume': FOUND}))
    found = api.get(context, VOLUME)
    assert (found.size_gb, found.bootable, found.multiattach, found.project_id) == (3, True, True, 'p')
    assert found.attachments == ({'id': 'a', 'instance_uuid': SERVER, 'device': '/dev/vdb'},)
    assert found.image_metadata == {'image_base_image_ref': 'i', 'image_name': 'cirros', 'image_hw_disk_bus': 'scsi'}
    assert found.created_at.isoformat() == '2026-01-02T03:04:05.678900+00:00'
    (method, path, _body, headers), = service.asked
    assert (method, path, headers['X-Auth-Token']) == ('GET', f'/v3/p/volumes/{VOLUME}', 'the token')
    assert headers['OpenStack-API-Version'] == 'volume 3.50'


@pytest.mark.parametrize('status, error', [
    (400, exception.InvalidVolume), (401, exception.CinderConnectionFailed), (403, exception.PolicyNotAuthorized),
    (404, exception.VolumeNotFound), (409, exception.InvalidVolume), (413, exception.OverQuota),
    (500, exception.CinderConnectionFailed), (503, exception.CinderConnectionFailed)])
def test_errors_become_ours_with_the_reason(service, api, context, status, error):
    service.answers.append((status, {'fault': {'code': status, 'message': 'the reason'}}))
    with pytest.raises(error) as caught:
        api.begin_detaching(context, VOLUME)
    assert status in (404, 500, 503) or 'the reason' in str(caught.value)


def test_a_service_that_is_away(service, api, context):
    service.shutdown()
    service.server_close()
    with pytest.raises(exception.CinderConnectionFailed):
        api.get(context, VOLUME)
    with pytest.raises(exception.CinderConnectionFailed):
        api.get_all(context)


@pytest.mark.parametrize('call, error', [
    (lambda api, context: api.get(context, 'detail'), exception.VolumeNotFound),
    (lambda api, context: api.delete(context, '../types'), exception.VolumeNotFound),
    (lambda api, context: api.get_snapshot(context, 'detail'), exception.SnapshotNotFound)])
def test_what_is_no_id_is_never_asked_for(service, api, context, call, error):
    with pytest.raises(error):
        call(api, context)
    assert service.asked == []


def test_what_is_gone_may_be_given_back_again(service, api, context):
    service.answers += [(404, {}), (404, {}), (404, {})]
    api.attachment_delete(context, 'an attachment')
    api.roll_detaching(context, VOLUME)
    with pytest.raises(exception.VolumeNotFound):
        api.delete(context, VOLUME)


def test_an_attachment_goes_from_promise_to_use(service, api, context):
    service.answers += [(200, {'attachment': {'id': 'a'}}), (200, {'attachment': {
        'id': 'a', 'connection_info': {'driver_volume_type': 'rbd', 'attachment_id': 'a', 'name': 'pool/v'}}}),
                        (204, {})]
    assert api.attachment_create(context, VOLUME, SERVER) == 'a'
    assert api.attachment_update(context, VOLUME, 'a', {'host': 'h', 'mountpoint': '/dev/vdb'}) == {
        'driver_volume_type': 'rbd', 'serial': VOLUME, 'data': {'name': 'pool/v'}}
    api.attachment_complete(context, 'a', '/dev/vdb')
    assert [(method, path.removeprefix('/v3/p'), headers['OpenStack-API-Version'])
            for method, path, _body, headers in service.asked] == [
        ('POST', '/attachments', 'volume 3.27'), ('PUT', '/attachments/a', 'volume 3.27'),
        ('POST', '/attachments/a/action', 'volume 3.44')]
    assert service.asked[0][2] == {'attachment': {'volume_uuid': VOLUME, 'instance_uuid': SERVER}}


def test_attachments_of_a_server_with_their_connections(service, api, context):
    rows = [{'id': 'a', 'instance': SERVER, 'volume_id': VOLUME, 'connection_info': {}},
            {'id': 'b', 'instance': SERVER, 'volume_id': VOLUME,
             'connection_info': {'driver_volume_type': 'nfs', 'data': {'name': 'v'}}},
            {'id': 'c', 'instance': 'another', 'volume_id': VOLUME, 'connection_info': {}}]
    service.answers.append((200, {'attachments': rows}))
    assert api.attachments_of(context, VOLUME, SERVER) == [
        {'id': 'a', 'connection_info': None},
        {'id': 'b', 'connection_info': {'serial': VOLUME, 'driver_volume_type': 'nfs', 'data': {'name': 'v'}}}]


def test_long_lists_come_page_by_page(service, api, context, monkeypatch):
    monkeypatch.setattr(cinder, '_PAGE', 1)
    service.answers += [(200, {'volumes': [FOUND]}), (200, {'volumes': []})]
    assert [each.id for each in api.get_all(context)] == [VOLUME]
    assert service.asked[1][1].endswith(f'limit=1&marker={VOLUME}')


def test_a_new_volume_is_waited_for(service, api, context, monkeypatch):
    monkeypatch.setattr(cinder, '_POLL_S', 0)
    service.answers += [(200, {'volume': {**FOUND, 'status': status}})
                        for status in ('creating', 'downloading', 'available', 'creating', 'error')]
    assert api.wait_for(context, VOLUME).status == 'available'
    with pytest.raises(exception.VolumeNotCreated):
        api.wait_for(context, VOLUME)
    CONF.set_override('creation_timeout', 1, 'volume')
    monkeypatch.setattr(cinder, 'time', types.SimpleNamespace(monotonic=iter((0, 2)).__next__))
    service.answers.append((200, {'volume': {**FOUND, 'status': 'creating'}}))
    with pytest.raises(exception.VolumeNotCreated, match='creating for 1 s'):
        api.wait_for(context, VOLUME)


def test_a_size_is_that_of_the_snapshot(service, api, context):
    snapshot = {'id': SERVER, 'volume_id': VOLUME, 'status': 'available', 'size': 7}
    service.answers += [(200, {'snapshot': snapshot}), (202, {'volume': FOUND})]
    api.create(context, None, snapshot_id=SERVER)
    assert service.asked[1][2] == {'volume': {'size': 7, 'snapshot_id': SERVER}}


def test_a_swap_that_the_service_began_ends_there(service, api, context):
    assert api.swapped(context, record.volume_of(FOUND), 'new') == 'new'
    # That needs the service user, of whom there is none here.
    with pytest.raises(exception.CinderConnectionFailed, match='no user'):
        api.swapped(context, record.volume_of({**FOUND, 'migration_status': 'migrating'}), 'new')


def test_zones_matter_where_they_are_told_to(service, api):
    found = record.volume_of(FOUND)
    api.require_zone(found, 'elsewhere')
    assert api.zone_for('z') is None
    CONF.set_override('cross_az_attach', False, 'cinder')
    api.require_zone(found, 'z')
    api.require_zone(found, None)
    assert api.zone_for('z') == 'z'
    with pytest.raises(exception.InvalidVolume):
        api.require_zone(found, 'elsewhere')


def test_without_any_credentials_nothing_is_asked(service, api):
    with pytest.raises(exception.CinderConnectionFailed):
        api.get(nova_context.get_admin_context(), VOLUME)
    assert service.asked == []


def test_the_endpoint_of_the_users_catalog(service, api):
    CONF.clear_override('endpoint_template', 'cinder')
    url = f'http://127.0.0.1:{service.server_port}/v3'
    for path, wanted in ((url, '/v3'), (f'{url}/of-another-project', '/v3/p')):
        context = nova_context.RequestContext(project_id='p', auth_token='t', service_catalog=[
            {'type': 'compute', 'endpoints': [{'publicURL': 'no'}]},
            {'type': 'volumev3', 'endpoints': [{'publicURL': path, 'internalURL': 'no'}]}])
        service.answers.append((200, {'volume': FOUND}))
        api.get(context, VOLUME)
        assert service.asked[-1][1] == f'{wanted}/volumes/{VOLUME}'
    with pytest.raises(exception.CinderConnectionFailed, match='catalog_info'):
        api.get(nova_context.RequestContext(project_id='p', auth_token='t'), VOLUME)
