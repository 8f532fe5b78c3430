# SPDX-License-Identifier: Apache-2.0
"""Payloads: their versions, and the functions that the module reference names."""

import datetime
import hashlib

import pytest

from nova import notifications, objects
from nova.compute import create
from nova.conf import CONF
from nova.notifications import base, common, legacy
from nova.tests import database as make

#: name -> version-fingerprint of the fields.  A changed fingerprint needs another version.
PINNED = {
    'AggregateCachePayload': '1.0-55e798c4f1e100b7',
    'AggregatePayload': '1.1-061461231753470b',
    'AuditPeriodPayload': '1.0-5fbdd1de50a202fb',
    'BandwidthPayload': '1.0-3633b15ad23a8dbe',
    'BlockDevicePayload': '1.0-ca65a2210a96327d',
    'ComputeTaskPayload': '1.0-0f0e2d5a88fd7889',
    'DestinationPayload': '1.0-68fe9521ad637426',
    'ExceptionPayload': '1.1-0fadfae30fda2123',
    'FlavorPayload': '1.4-78a606995a71e841',
    'HostPayload': '1.0-35a004c27d8f80f0',
    'ImageMetaPayload': '1.0-3b20a48d91cfa311',
    'InstanceActionPayload': '1.9-5ced0f0b0bc889a0',
    'InstanceActionRebuildPayload': '1.10-d0479026299a9f4e',
    'InstanceActionRescuePayload': '1.4-d7f7dbd15901d88c',
    'InstanceActionResizePrepPayload': '1.4-5b22e6040cc66c81',
    'InstanceActionSharePayload': '1.1-98fd706a06521dea',
    'InstanceActionSnapshotPayload': '1.10-736a629c5db3726e',
    'InstanceActionVolumePayload': '1.7-3170a5504cff897b',
    'InstanceActionVolumeSwapPayload': '1.9-32cfcf6f06e9375e',
    'InstanceCreatePayload': '1.13-024824ae80743fca',
    'InstanceExistsPayload': '1.4-64885e2dad6478b6',
    'InstancePayload': '1.9-c172805e569cda95',
    'InstanceStateUpdatePayload': '1.0-2b2e4e53f3546c2d',
    'InstanceUpdatePayload': '2.1-5a41e88178e744ca',
    'IpPayload': '1.0-58ce551d0ca9ed95',
    'KeypairPayload': '1.0-63010717e215ce45',
    'LibvirtErrorPayload': '1.0-4973f74ab15e98d6',
    'MetricPayload': '1.0-43d69f60f03b9581',
    'MetricsPayload': '1.0-2707820a10364aa8',
    'RequestSpecPayload': '1.1-093426cea1b4dfe1',
    'ServerGroupPayload': '1.1-817e1881f6966a6b',
    'ServiceStatusPayload': '1.1-b5c9f0582531c517',
    'SharePayload': '1.0-03a93595243b2ba0',
    'VolumeUsagePayload': '1.0-1adcf6dd5f269247',
}


def _all(cls=base.Payload):
    for each in cls.__subclasses__():
        yield each
        yield from _all(each)


def _fingerprint(cls):
    fields = ','.join(f'{name}:{field!r}' for name, field in sorted(cls.fields.items()))
    return f'{cls.VERSION}-{hashlib.sha256(fields.encode()).hexdigest()[:16]}'


def test_fields_change_only_with_the_version():
    assert {each.__name__: _fingerprint(each) for each in _all()} == PINNED


@pytest.fixture
def server(database):
    return make.server()


def test_the_unversioned_form_has_the_documented_keys(server):
    told = notifications.info_from_instance(make.member(), server, None, None, extra=1)
    assert set(told) == {
        'tenant_id', 'user_id', 'instance_id', 'display_name', 'reservation_id', 'hostname', 'instance_type',
        'instance_type_id', 'instance_flavor_id', 'architecture', 'memory_mb', 'disk_gb', 'vcpus', 'root_gb',
        'ephemeral_gb', 'host', 'node', 'availability_zone', 'cell_name', 'created_at', 'terminated_at', 'deleted_at',
        'launched_at', 'image_ref_url', 'os_type', 'kernel_id', 'ramdisk_id', 'state', 'state_description',
        'progress', 'access_ip_v4', 'access_ip_v6', 'metadata', 'image_meta', 'fixed_ips', 'extra'}
    assert (told['instance_id'], told['state'], told['instance_type'], told['disk_gb']) == (
        server.uuid, 'active', 'm1.test', 1)
    assert (told['deleted_at'], told['terminated_at']) == ('', '')
    assert told['image_ref_url'].endswith('/images/image')


def test_image_meta():
    assert notifications.image_meta({'image_os_type': 'linux', 'other': 1}) == {'os_type': 'linux'}
    assert legacy.image_url(None) == ''


def test_audit_periods():
    begin, end = notifications.audit_period_bounds()
    now_begin, now = notifications.audit_period_bounds(current_period=True)
    assert begin < end == now_begin <= now
    assert now - datetime.datetime.now(datetime.UTC).replace(tzinfo=None) < datetime.timedelta(seconds=5)
    assert notifications.bandwidth_usage(None, begin) == {}


def test_updates_by_hand(server, telling):
    heard = telling(notify_on_state_change='vm_state')
    context = make.member()
    notifications.send_update_with_states(context, server, 'active', 'active', None, 'deleting', verify_states=True)
    assert heard.types() == []
    notifications.send_update_with_states(context, server, 'active', 'error', None, None, host='h9')
    assert heard.types() == ['instance.update', 'compute.instance.update']
    assert [each[2] for each in heard] == ['nova-compute:h9', 'compute.h9']
    told = heard.payload('compute.instance.update')
    assert (told['old_state'], told['state']) == ('active', 'error')
    assert told['audit_period_beginning'] < told['audit_period_ending']
    assert server.vm_state == 'active'
    new = server.obj_clone()
    new.trust('display_name', 'renamed')
    notifications.send_update(context, server, new, service='api', host='h1')
    assert heard.listen()[-1][2] == 'api.h1'
    assert heard[-1][3]['old_display_name'] == server.display_name


def test_api_faults(telling):
    heard = telling()
    notifications.send_api_fault('/servers', 500, ValueError('oops'))
    assert heard.types() == []
    telling(notify_on_api_faults=True)
    notifications.send_api_fault('/servers', 500, ValueError('oops'))
    assert heard.payload('api.fault') == {'url': '/servers', 'exception': 'oops', 'status': 500}
    assert heard[0][1:3] == ('ERROR', f'api.{CONF.host}')


def test_a_wrapped_function_is_told_of(server, telling):
    heard = telling()
    add = notifications.notify_decorator('nova.tests.add', lambda context, thing, one=1: one + 1)
    assert add(make.member(), server, one=2) == 3
    assert heard.payload('nova.tests.add') == {'args': ['RequestContext', f'Instance {server.uuid}'],
                                               'kwarg': {'one': 2}}


def test_an_error_without_a_traceback():
    told = common.ExceptionPayload.of_error(ValueError('x')).body()['nova_object.data']
    assert (told['exception'], told['function_name'], told['module_name']) == ('ValueError', 'unknown', 'builtins')


def test_new_servers_in_a_group(database, telling):
    heard = telling(notify_on_state_change='vm_state')
    group = objects.InstanceGroup(make.member(), name='g', policy='affinity', rules={}, members=[],
                                  project_id='project', user_id='user')
    group.create()
    flavor = make.flavor()
    image = objects.ImageMeta.from_dict({'id': 'image', 'properties': {}})
    plan = create.Plan(create.Request(name='s', flavor='1', least=2, most=2), flavor, image, None, group, 2,
                       (make_limits(), make_limits()))
    made, _actions = create.record(make.member(), plan)
    assert heard.types() == ['instance.update', 'compute.instance.update'] * 2 + ['server_group.add_member',
                                                                                  'servergroup.addmember']
    assert heard.payload('server_group.add_member')['members'] == [server.uuid for server in made]
    assert heard.payload('servergroup.addmember')['instance_uuids'] == [server.uuid for server in made]


def make_limits():
    return dict.fromkeys(('instances', 'cores', 'ram'), -1)
