# SPDX-License-Identifier: Apache-2.0
"""Snapshots of volumes through the hypervisor, which the volume service asks for."""

from nova import context as nova_context
from nova import exception, objects
from nova.compute.verbs.base import Verbs


class AssistedSnapshots(Verbs):
    """Finds the host that has the volume, and tells it."""

    def create(self, context, volume_id, create_info):
        """Begin a snapshot.  Raises VolumeBDMNotFound, InvalidVolume."""
        in_cell, instance = self._user_of(context, volume_id)
        self.compute_rpcapi.volume_snapshot_create(in_cell, instance, volume_id, create_info)

    def delete(self, context, volume_id, snapshot_id, delete_info):
        """Begin to remove one.  Raises VolumeBDMNotFound, InvalidVolume."""
        in_cell, instance = self._user_of(context, volume_id)
        self.compute_rpcapi.volume_snapshot_delete(in_cell, instance, volume_id, snapshot_id, delete_info)

    @staticmethod
    def _user_of(context, volume_id):
        """(context of its cell, the one server that has the volume)"""
        found = []
        for cell in objects.CellMappingList.to_ask(context):
            with nova_context.target_cell(context, cell) as in_cell:
                found += [(in_cell, bdm) for bdm in objects.BlockDeviceMappingList.get_by_volume(in_cell, volume_id)]
        if not found:
            raise exception.VolumeBDMNotFound(f'Volume {volume_id} is not attached to a server.')
        if len(found) > 1:
            raise exception.InvalidVolume(reason=f'volume {volume_id} is attached to several servers')
        in_cell, bdm = found[0]
        instance = objects.Instance.get_by_uuid(in_cell, bdm.instance_uuid)
        if not instance.host:
            raise exception.InvalidVolume(reason=f'server {instance.uuid}, which has volume {volume_id}, is on no host')
        return in_cell, instance
