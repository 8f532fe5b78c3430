# SPDX-License-Identifier: Apache-2.0
"""Deleting servers, at once or for good later."""

from nova import exception, objects
from nova.compute import records, states, task_states
from nova.compute.verbs.base import Verbs, in_cell
from nova.conf import CONF


class DeleteVerbs(Verbs):

    @in_cell
    def delete(self, context, instance):
        """End a server, or put it away for `reclaim_instance_interval` seconds first.

        One without a host, or whose host is down, ends in the records at once.
        """
        if CONF.reclaim_instance_interval > 0 and instance.launched_at and instance.host:
            self._soft_delete(context, instance)
        else:
            self._delete(context, instance, 'delete')

    @in_cell
    def force_delete(self, context, instance):
        """End a server at once, also one that was put away."""
        self._delete(context, instance, 'force_delete')

    def _delete(self, context, instance, action):
        row = states.require(context, instance, action)
        if instance.task_state == task_states.DELETING and self._is_being_deleted(context, instance):
            return      # already under way
        self._order_end(context, instance, row, 'terminate_instance')

    def _soft_delete(self, context, instance):
        row = states.require(context, instance, 'soft_delete')
        if instance.task_state in task_states.DELETING_STATES and self._is_being_deleted(context, instance):
            return
        if self._host_is_up(context, instance.host):
            self._order_end(context, instance, row, 'soft_delete_instance')
        else:
            self._delete(context, instance, 'delete')

    def _order_end(self, context, instance, row, method):
        if instance.host and self._host_is_up(context, instance.host):
            action_id = records.order(context, instance, row, 'nova-compute', instance.host, method, queue_delete=True)
            self._ring(self.compute_rpcapi.ring, context, instance.host, method, action_id)
        else:
            method = 'terminate_instance'
            action_id = records.order(context, instance, row, 'nova-conductor', None, method, queue_delete=True)
            self._ring(self.conductor_rpcapi.ring, context, method, action_id)

    @in_cell
    def restore(self, context, instance):
        """Take back a deletion that is not final yet.  Raises TooManyInstances: there is no room for it any more."""
        states.require(context, instance, 'restore')
        objects.Quotas.count_again(context, instance.uuid, instance.project_id, instance.user_id,
                                   {'cores': instance.vcpus, 'ram': instance.memory_mb})
        try:
            self._order(context, instance, 'restore', 'restore_instance')
        except exception.NovaException:
            objects.Quotas.stop_counting(context, instance.uuid)
            raise

    @staticmethod
    def _is_being_deleted(context, instance):
        return any(action.action == 'delete' and action.state != 'done'
                   for action in objects.InstanceActionList.get_by_instance_uuid(context, instance.uuid, limit=5))
