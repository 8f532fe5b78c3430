# SPDX-License-Identifier: Apache-2.0
"""Interfaces that are asked for side by side."""

from nova import concurrency

concurrency.monkey_patch()

import types  # noqa: E402  (everything below must be imported patched)

import pytest  # noqa: E402

from nova import context as nova_context  # noqa: E402
from nova import db, exception  # noqa: E402
from nova.compute import interfaces  # noqa: E402
from nova.db import session  # noqa: E402
from nova.network import model  # noqa: E402
from nova.objects import Instance  # noqa: E402
from nova.tests import database as make  # noqa: E402


class Network:
    """Makes interfaces as nova-network does: recorded with the server, and answered a little later."""

    def __init__(self):
        self.made = 0

    def add_fixed_ip_to_instance(self, context, instance, network_id, address=None, tag=None):
        self.made += 1
        vifs = [*recorded(instance), {'id': f'vif-{self.made}', 'address': f'fa:16:3e:00:00:0{self.made}', 'network': {
            'id': network_id, 'subnets': []}}]
        record(instance, vifs)
        concurrency.sleep(0.02)
        return model.NetworkInfo.hydrate(recorded(instance))

    def remove_fixed_ip_from_instance(self, context, instance, address):
        pytest.fail('an interface that was attached was given back')


class Driver:
    """A guest that takes each interface once."""

    def __init__(self):
        self.vifs = []

    def attach_interface(self, instance, image_meta, vif):
        concurrency.sleep(0.01)
        if vif['id'] in self.vifs:
            raise exception.InterfaceAttachFailed(instance_uuid=instance.uuid, reason='it is there')
        self.vifs.append(vif['id'])


def recorded(server):
    return Instance.get_by_uuid(make.admin(), server.uuid).get_network_info().plain()


def record(server, vifs):
    with session.writer(make.admin()) as conn:
        db.instances.update(conn, server.uuid, {'network_info': vifs})


def test_interfaces_that_are_attached_side_by_side_all_reach_the_guest(database):
    server, context = make.server(), nova_context.get_admin_context()
    host = types.SimpleNamespace(network=Network(), driver=Driver(), firewall=types.SimpleNamespace(
        apply=lambda instance, network_info: None))
    # Each request has the server as it was when it came.
    asked = [Instance.get_by_uuid(make.admin(), server.uuid) for _each in range(3)]
    tasks = [concurrency.spawn(interfaces.attach, host, context, instance, 'net', None, None) for instance in asked]
    answered = [task.wait()['id'] for task in tasks]
    assert sorted(answered) == sorted(host.driver.vifs) == ['vif-1', 'vif-2', 'vif-3']
