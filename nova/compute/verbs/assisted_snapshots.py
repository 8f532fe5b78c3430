# SPDX-License-Identifier: Apache-2.0
"""Snapshots of volumes through the hypervisor, which the volume service asks for."""

from nova import exception, objects
from nova.compute import lookup
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
        def ask(in_cell):
            bdms = objects.BlockDeviceMappingList.get_by_volume(in_cell, volume_id).objects
            if not bdms:
                raise exception.VolumeBDMNotFound(f'Volume {volume_id} is not attached to a server.')
            return bdms

        bdm, *others = (bdm for bdms in lookup.find_all(context, ask) for bdm in bdms)
        if others:
            raise exception.InvalidVolume(reason=f'volume {volume_id} is attached to several servers')
        instance = objects.Instance.get_by_uuid(bdm._context, bdm.instance_uuid)
        if not instance.host:
            raise exception.InvalidVolume(reason=f'server {instance.uuid}, which has volume {volume_id}, is on no host')
        return bdm._context, instance
