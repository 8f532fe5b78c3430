# SPDX-License-Identifier: Apache-2.0
"""The metadata of a server, found by its address or its id; kept for a few seconds, since guests ask in bursts."""

import time

from nova import context as nova_context
from nova import exception, objects
from nova.conf import CONF
from nova.metadata import vendordata
from nova.metadata.content import InstanceMetadata, Missing  # noqa: F401  the documented face
from nova.network import api as network_api

#: Servers that are kept at most.
_MOST = 5000


class Cache:
    """{(uuid, address it asks from): InstanceMetadata}, each for [metadata]cache_expiration_s seconds.

    Whose an address is, is never kept: another server may have it a moment later.
    """

    def __init__(self):
        self._kept = {}
        self.network = network_api.API()

    def by_address(self, address):
        """Raises InstanceNotFound when no server has the address."""
        context = nova_context.get_admin_context()
        try:
            uuid = self.network.get_instance_by_address(context, address)
        except exception.FixedIpNotFound as exc:
            raise exception.InstanceNotFound(instance_id=address) from exc
        return self._get(context, uuid, address)

    def by_id(self, instance_id, address=None):
        return self._get(nova_context.get_admin_context(), instance_id, address)

    def forget(self, uuid):
        for key in [key for key in self._kept if key[0] == uuid]:
            self._kept.pop(key, None)

    def _get(self, context, uuid, address):
        until, found = self._kept.get((uuid, address), (0, None))
        if time.monotonic() < until:
            return found
        instance = self._find(context, uuid)
        found = InstanceMetadata(instance, address=address, vendor_data=vendordata.static(),
                                 vendor_data2=vendordata.dynamic(instance))
        if len(self._kept) >= _MOST:
            self._kept.clear()
        self._kept[uuid, address] = (time.monotonic() + CONF.metadata.cache_expiration_s, found)
        return found

    @staticmethod
    def _find(context, uuid):
        cell = objects.InstanceMapping.cell_of(context, uuid)
        with nova_context.target_cell(context, cell) as in_cell:
            return objects.Instance.get_by_uuid(in_cell, uuid)
