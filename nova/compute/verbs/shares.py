# SPDX-License-Identifier: Apache-2.0
"""Shared file systems of servers: look, attach, detach."""

import functools

from nova import exception, objects, share
from nova.compute import records, states
from nova.compute.verbs.base import Verbs, in_cell
from nova.objects import share_mapping

#: What a host must be able to do.
TRAIT = 'COMPUTE_STORAGE_VIRTIO_FS'


class Shares(Verbs):

    @functools.cached_property
    def share(self):
        return share.API()

    @in_cell
    def get_all(self, context, instance):
        """The server's `ShareMapping`s."""
        return share_mapping.of_server(context, instance)

    def get(self, context, instance, share_id):
        """Raises ShareMappingNotFound."""
        found = next((each for each in self.get_all(context, instance) if each.share_id == share_id), None)
        if found is None:
            raise share_mapping.ShareMappingNotFound(share_id=share_id, instance_uuid=instance.uuid)
        return found

    @in_cell
    def attach(self, context, instance, share_id, tag):
        """Begin to attach a share; its `ShareMapping`.

        Raises InstanceInvalidState, InstanceIsLocked, SharesNotSupported, ShareNotFound, ShareUnusable,
        ShareMappingAlreadyExists.
        """
        row = states.require(context, instance, 'attach_share')
        self._check_host(context, instance)
        found = self.share.get_usable(context, share_id)
        mapping = objects.ShareMapping.create(context, {
            'instance_uuid': instance.uuid, 'share_id': share_id, 'tag': tag,
            'export_location': found.export_location, 'share_proto': found.protocol})
        try:
            self._order_with_mark(context, instance, row, share_id)
        except exception.NovaException:
            mapping.destroy()
            raise
        return mapping

    def _order_with_mark(self, context, instance, row, share_id):
        action_id = records.order(
            context, instance, row, 'nova-compute', instance.host, 'allow_share', {'share_id': share_id},
            values={'system_metadata_changes': {share_mapping.MARK: '1'}})
        self._ring(self.compute_rpcapi.ring, context, instance.host, 'allow_share', action_id)

    @staticmethod
    def _check_host(context, instance):
        if not instance.host:
            raise share.SharesNotSupported(reason='the server has no host')
        nodes = objects.ComputeNodeList.get_by_host(context, instance.host)
        if not any(TRAIT in (node.traits or ()) for node in nodes):
            raise share.SharesNotSupported(reason="the server's host cannot give shares to guests")

    def detach(self, context, instance, share_id):
        """Begin to detach a share.  Raises InstanceInvalidState, InstanceIsLocked, ShareMappingNotFound, Conflict."""
        self._detach(context, instance, self.get(context, instance, share_id))

    @in_cell
    def _detach(self, context, instance, mapping):
        states.require(context, instance, 'detach_share')
        before = mapping.status
        if before in (share_mapping.ATTACHING, share_mapping.DETACHING):
            raise exception.Conflict(reason=f'share {mapping.share_id} is {before}')
        mapping.change(share_mapping.DETACHING)
        try:
            self._order(context, instance, 'detach_share', 'deny_share', {'share_id': mapping.share_id})
        except exception.NovaException:
            mapping.change(before)
            raise
