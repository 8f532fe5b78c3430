# SPDX-License-Identifier: Apache-2.0
"""Locks, states, passwords, rescue, and what else changes a server that stays where it is."""

from nova import exception, objects
from nova.compute import passwords, records, states, vm_states
from nova.compute.verbs.base import Verbs, in_cell
from nova.conf import CONF
from nova.notifications import servers as notifications

#: In how many pieces the metadata service keeps a guest's password.
PASSWORD_PARTS = 4


class StateVerbs(Verbs):

    # Records only -----------------------------------------------------------------------------------------------------

    @in_cell
    def update(self, context, instance, changes):
        """Change columns of a server that no host has to know: display_name, access addresses, description, …"""
        before = notifications.state_of(instance)
        for name, value in changes.items():
            setattr(instance, name, value)
        instance.save()
        notifications.changed(context, instance, before)
        return instance

    @in_cell
    def update_instance_metadata(self, context, instance, metadata, delete=False):
        """Merge metadata into a server's, or with `delete` replace it.  Returns all of it.

        Raises MetadataLimitExceeded, InstanceInvalidState, InstanceIsLocked.
        """
        states.require(context, instance, 'update_instance_metadata')
        limits = objects.Quotas.limits(context, context.project_id, context.user_id)
        return records.change_metadata(context, instance, metadata, delete, limits['metadata_items'])

    @in_cell
    def delete_instance_metadata(self, context, instance, key):
        """Raises NotFound when there is no such key."""
        states.require(context, instance, 'delete_instance_metadata')
        records.delete_metadata(context, instance, key)

    @in_cell
    def set_tags(self, context, instance, tags):
        """Give a server these tags and no others; returns them.  Raises InstanceInvalidState."""
        states.require(context, instance, 'tags')
        return records.set_tags(context, instance, tags)

    def get_password(self, context, instance):
        """The encrypted password that the guest left, '' if none."""
        kept = instance.system_metadata or {}
        return ''.join(kept.get(f'password_{part}', '') for part in range(PASSWORD_PARTS))

    @in_cell
    def clear_password(self, context, instance):
        instance.change_system_metadata({f'password_{part}': None for part in range(PASSWORD_PARTS)})

    def get_topology(self, context, instance):
        """The server's NUMA cells: {'nodes': […], 'pagesize_kb'}; no nodes where the host lays it out as it likes."""
        cells = (instance.placement or {}).get('numa') or []
        return {'nodes': [{'vcpu_set': cell['cpus'], 'siblings': [], 'memory_mb': cell['memory_mb'],
                           'host_node': cell['host_cell'], 'cpu_pinning': cell['pinning'] or {}} for cell in cells],
                'pagesize_kb': next((cell['page_size_kb'] for cell in cells), None)}

    @in_cell
    def reset_state(self, context, instance, error=False):
        """Say what a server's state is, whatever it was (administrators)."""
        before = notifications.state_of(instance)
        instance.vm_state = vm_states.ERROR if error else vm_states.ACTIVE
        instance.task_state = None
        records.note(context, instance, 'resetState', instance.obj_get_changes())
        notifications.changed(context, instance, before)

    @in_cell
    def lock(self, context, instance, reason=None):
        """Keep users who are not administrators from changing a server; an administrator's lock overrides an owner's.

        :param reason: what its users read, or None.
        """
        is_owner = instance.project_id == context.project_id
        if instance.locked and is_owner:
            return
        instance.locked = True
        instance.locked_by = 'owner' if is_owner else 'admin'
        instance.locked_reason = reason
        records.note(context, instance, 'lock', instance.obj_get_changes(), event='api_lock')

    @in_cell
    def unlock(self, context, instance):
        instance.locked = False
        instance.locked_by = instance.locked_reason = None
        records.note(context, instance, 'unlock', instance.obj_get_changes(), event='api_unlock')

    def is_expected_locked_by(self, context, instance):
        """Whether a lock is one that its owner may take off: not an administrator's."""
        return instance.locked_by != 'admin' or context.is_admin

    # Work for the host ------------------------------------------------------------------------------------------------

    @in_cell
    def set_admin_password(self, context, instance, password):
        """Change the administrator's password inside the guest.  Raises ComputeServiceUnavailable, and what the driver
        raises: SetAdminPasswdNotSupported, InstanceAgentNotEnabled, Unsupported.
        """
        states.require(context, instance, 'set_admin_password')
        if not self._host_is_up(context, instance.host):
            raise exception.ComputeServiceUnavailable(host=instance.host)
        self._order(context, instance, 'set_admin_password', 'set_admin_password', {'new_pass': password})

    @in_cell
    def rescue(self, context, instance, rescue_password=None, rescue_image_ref=None, allow_bfv_rescue=False):
        """Start a server from another image, with its own disk beside it; returns the password of the rescue system.

        :param allow_bfv_rescue: also one that boots from a volume, where its host can.
        Raises ImageNotFound, ImageNotActive for the image; InstanceNotRescuable.
        """
        states.require(context, instance, 'rescue')
        self._require_root_disk(context, instance, allow_bfv_rescue)
        if not (rescue_image_ref or CONF.rescue_image_id or instance.image_ref):
            raise exception.InstanceNotRescuable(
                instance_id=instance.uuid, reason='it boots from a volume and so has no image of its own; '
                                                  'rescue_image_ref has to name one')
        if rescue_image_ref:
            found = self.image.get(context, rescue_image_ref)
            if (found.get('status') or 'active').lower() != 'active':
                raise exception.ImageNotActive(image_id=rescue_image_ref)
        password = rescue_password or passwords.generate()
        self._order(context, instance, 'rescue', 'rescue_instance',
                    {'rescue_password': password, 'rescue_image_ref': rescue_image_ref})
        return password

    @staticmethod
    def _require_root_disk(context, instance, or_volume):
        """Raises InstanceNotRescuable for one that boots from a volume, unless that is allowed and its host can."""
        bdms = objects.BlockDeviceMappingList.get_by_instance_uuid(context, instance.uuid)
        if not any(bdm.is_root and bdm.is_volume for bdm in bdms):
            return
        if not or_volume:
            raise exception.InstanceNotRescuable(instance_id=instance.uuid,
                                                 reason='it boots from a volume, which needs version 2.87')
        node = objects.ComputeNode.get_by_host_and_nodename(context, instance.host, instance.node)
        if 'COMPUTE_RESCUE_BFV' not in (node.traits or ()):
            raise exception.InstanceNotRescuable(instance_id=instance.uuid,
                                                 reason='it boots from a volume, which its host cannot rescue')

    @in_cell
    def unrescue(self, context, instance):
        self._order(context, instance, 'unrescue', 'unrescue_instance')

    @in_cell
    def reset_network(self, context, instance):
        """Let the guest set up its network again."""
        states.require(context, instance, 'reset_network')
        if not instance.host:
            raise exception.InstanceNotReady(instance_id=instance.uuid)
        self.compute_rpcapi.reset_network(context, instance)

    @in_cell
    def inject_network_info(self, context, instance):
        """Look up the server's addresses again, and tell the guest."""
        states.require(context, instance, 'inject_network_info')
        if not instance.host:
            raise exception.InstanceNotReady(instance_id=instance.uuid)
        self.compute_rpcapi.inject_network_info(context, instance)
