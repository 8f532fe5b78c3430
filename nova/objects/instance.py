# SPDX-License-Identifier: Apache-2.0
"""Servers."""

from oslo_utils import timeutils

from nova import db, exception
from nova.compute import task_states
from nova.conf import CONF
from nova.objects import base, fields
from nova.objects import flavor as flavor_obj
from nova.objects import image_meta as image_meta_obj
from nova.objects import service as service_obj

#: What is not in the server's own row, and is read for all servers of a list together.
EXTRAS = ('tags', 'fault', 'volumes')
#: In values of a server that are to be stored: {name: value, None for what goes} of its system metadata.  Many keep
#: something there: they say what they change, and it is merged into what others have changed meanwhile.
SYSTEM_CHANGES = 'system_metadata_changes'
_MOMENTS = ('launched_at', 'terminated_at', 'deleted_at', 'created_at', 'updated_at')


@base.register
class InstanceFault(base.NovaObject):
    """Why a server is in ERROR.  `details` is for administrators, `user_details` for everybody."""

    fields = {
        'id': fields.IntegerField(),
        'instance_uuid': fields.UUIDField(),
        'code': fields.IntegerField(),
        'message': fields.optional(),
        'details': fields.optional(),
        'user_details': fields.optional(),
        'host': fields.optional(),
        'created_at': fields.optional(fields.DateTimeField),
    }

    @base.remotable_classmethod
    @base.retried
    def create(cls, context, instance_uuid, values):
        """Record one more fault of a server: code, message, details, user_details, host."""
        with db.session.writer(context) as conn:
            db.instances.add_fault(conn, {'instance_uuid': instance_uuid, **values})


@base.register
class Instance(base.TimestampedObject, base.NovaObject):
    fields = {
        'id': fields.IntegerField(),
        'uuid': fields.UUIDField(),
        'user_id': fields.optional(),
        'project_id': fields.optional(),
        'image_ref': fields.optional(),
        'kernel_id': fields.optional(),
        'ramdisk_id': fields.optional(),
        'hostname': fields.optional(),
        'launch_index': fields.optional(fields.IntegerField),
        'key_name': fields.optional(),
        'key_data': fields.optional(),
        'power_state': fields.optional(fields.IntegerField),
        'vm_state': fields.optional(),
        'task_state': fields.optional(),
        'memory_mb': fields.optional(fields.IntegerField),
        'vcpus': fields.optional(fields.IntegerField),
        'root_gb': fields.optional(fields.IntegerField),
        'ephemeral_gb': fields.optional(fields.IntegerField),
        'instance_type_id': fields.optional(fields.IntegerField),
        'host': fields.optional(),
        'node': fields.optional(),
        'compute_id': fields.optional(fields.IntegerField),
        'launched_on': fields.optional(),
        'user_data': fields.optional(),
        'reservation_id': fields.optional(),
        'launched_at': fields.optional(fields.DateTimeField),
        'terminated_at': fields.optional(fields.DateTimeField),
        'availability_zone': fields.optional(),
        'pinned_availability_zone': fields.optional(),
        'display_name': fields.optional(),
        'display_description': fields.optional(),
        'locked': fields.BooleanField(default=False),
        'locked_by': fields.optional(),
        'locked_reason': fields.optional(),
        'root_device_name': fields.optional(),
        'default_ephemeral_device': fields.optional(),
        'default_swap_device': fields.optional(),
        'config_drive': fields.optional(),
        'access_ip_v4': fields.optional(),
        'access_ip_v6': fields.optional(),
        'auto_disk_config': fields.BooleanField(default=False, nullable=True),
        'progress': fields.optional(fields.IntegerField),
        'hidden': fields.BooleanField(default=False),
        'cleaned': fields.BooleanField(default=False),
        'deleted': fields.BooleanField(default=False),
        'deleted_at': fields.optional(fields.DateTimeField),
        'flavor': fields.ObjectField('Flavor', nullable=True),
        'metadata': fields.JsonField(default={}),
        'system_metadata': fields.JsonField(default={}),
        'network_info': fields.NetworkInfoField(nullable=True),
        'security_groups': fields.JsonField(default=[]),
        'scheduler_hints': fields.JsonField(default={}),
        'server_groups': fields.JsonField(default=[]),
        'trusted_certs': fields.JsonField(nullable=True),
        'keypairs': fields.JsonField(default=[]),
        # {'numa': cells, 'pci': devices} that the claim holds on the host; see `nova.scheduler.placement`
        'placement': fields.JsonField(nullable=True),
        'tags': fields.ListOfStringsField(default=[]),
        'fault': fields.ObjectField('InstanceFault', nullable=True),
        'volumes': fields.JsonField(default=[]),
    }
    COLUMNS = {'tags': '-', 'fault': '-', 'volumes': '-'}

    @classmethod
    def from_row(cls, context, row, **more):
        self = super().from_row(context, row, **more)
        state = self.__dict__
        kept = state.get('_obj_flavor')
        if kept is not None:
            state['_obj_flavor'] = flavor_obj.Flavor.from_row(context, kept)
        if '_obj_network_info' in state:
            state['_obj_network_info'] = fields.network_model.NetworkInfo.hydrate(state['_obj_network_info'] or [])
        for name, empty in (('metadata', dict), ('system_metadata', dict), ('security_groups', list),
                            ('scheduler_hints', dict), ('server_groups', list), ('keypairs', list)):
            if f'_obj_{name}' in state and state[f'_obj_{name}'] is None:
                state[f'_obj_{name}'] = empty()
        return self

    # Faces that the documents name ------------------------------------------------------------------------------------

    @property
    def name(self):
        """The server's name on its hypervisor."""
        return CONF.instance_name_template % self.id

    @property
    def flavor_id(self):
        return self.instance_type_id

    @property
    def image_meta(self):
        return image_meta_obj.ImageMeta.from_instance(self)

    def get_flavor(self):
        return self.flavor

    def get_network_info(self):
        return self.network_info if self.network_info is not None else fields.network_model.NetworkInfo()

    # Loading and saving -----------------------------------------------------------------------------------------------

    @base.remotable_classmethod
    def get_by_uuid(cls, context, uuid, with_=()):
        """The server, with what of EXTRAS is named.  Raises InstanceNotFound (see `context.read_deleted`).

        With 'service', its `service` is what is known of the service of its host (None: nothing), where the database
        is at hand: it does not cross the wire.
        """
        with db.session.reader(context) as conn:
            row = db.extras.server(conn, uuid, context.read_deleted, with_)
            if row is None:
                raise exception.InstanceNotFound(instance_id=uuid)
            return load_all(context, conn, [row], with_)[0]

    @base.remotable
    @base.retried
    def save(self, expected_task_state=None, expected_vm_state=None):
        """Store changed fields.

        :param expected_task_state: a value, or several, one of which the task state must be.  Raises
            UnexpectedTaskState, or UnexpectedDeletingTaskState when the server is being deleted meanwhile.
        Raises InstanceNotFound when the server is gone.
        """
        values = column_values(self.obj_get_changes())
        if values or expected_task_state is not None:
            with db.session.writer(self._context) as conn:
                self.trust('updated_at', base.aware(
                    guarded_update(conn, self.uuid, values, expected_task_state, expected_vm_state)))
        self.obj_reset_changes()

    @base.remotable
    @base.retried
    def keep_password(self, parts):
        """Keep in `system_metadata` what a guest left, {name: part}, unless there is one; returns whether it was kept.

        Raises InstanceNotFound when the server is gone.
        """
        with db.session.writer(self._context) as conn:
            kept = _locked_system_metadata(conn, self.uuid)
            if any(kept.get(name) for name in parts):
                return False
            guarded_update(conn, self.uuid, {SYSTEM_CHANGES: parts})
        return True

    @base.remotable
    @base.retried
    def change_system_metadata(self, changes):
        """Merge changes (see SYSTEM_CHANGES) into the server's system metadata now; returns all of it.

        Raises InstanceNotFound when the server is gone.
        """
        with db.session.writer(self._context) as conn:
            kept = merged(_locked_system_metadata(conn, self.uuid), changes)
            guarded_update(conn, self.uuid, {'system_metadata': kept})
        self.trust('system_metadata', kept)
        return kept

    def trust_stored(self, values):
        """These values of it were stored."""
        for name, value in values.items():
            if name == SYSTEM_CHANGES:
                name, value = 'system_metadata', merged(self.system_metadata, value)
            elif name == 'flavor' and isinstance(value, dict):
                value = flavor_obj.Flavor.from_row(self._context, value)
            if name in self.fields:
                self.trust(name, value)

    @base.remotable
    @base.retried
    def destroy(self):
        """Delete the server, its disks' records, claims and mapping.  Raises InstanceNotFound when it is gone."""
        with db.session.writer(self._context) as conn:
            delete_rows(conn, self.uuid)
        forget_globally(self._context, self.uuid)
        self.trust('deleted', True)

    @base.remotable
    def refresh(self):
        """Read the row again; pending changes are lost."""
        with db.session.reader(self._context) as conn:
            row = db.instances.by_uuid(conn, self.uuid, 'yes')
        if row is None:
            raise exception.InstanceNotFound(instance_id=self.uuid)
        fresh = self.from_row(self._context, row)
        for name in fresh.fields:
            if fresh.obj_attr_is_set(name):
                self.trust(name, getattr(fresh, name))
        self.obj_reset_changes()


def column_values(changes):
    """Changed fields of a server as column values."""
    values = {}
    for name, value in changes.items():
        if name == 'flavor':
            value = value.snapshot() if value is not None else None
        elif name == 'network_info':
            value = value if value is None else list(value)
        elif name in EXTRAS:
            continue
        values[name] = base.naive(value)
    return values


def stored(values):
    """Column values that may have crossed the wire: moments came as text."""
    return {name: base.naive(timeutils.parse_isotime(value)) if name in _MOMENTS and isinstance(value, str)
            else base.naive(value) for name, value in values.items()}


def merged(kept, changes):
    """System metadata as it is after changes (see SYSTEM_CHANGES)."""
    return {name: value for name, value in {**(kept or {}), **changes}.items() if value is not None}


def _locked_system_metadata(conn, uuid):
    """That of a server whose row is held until the transaction ends.  Raises InstanceNotFound."""
    row = db.instances.lock_metadata(conn, uuid)
    if row is None:
        raise exception.InstanceNotFound(instance_id=uuid)
    return row['system_metadata'] or {}


def guarded_update(conn, uuid, values, expected_task_state=None, expected_vm_state=None):
    """Change a server's row if its states are as expected; returns its new `updated_at`.

    :param values: columns, and SYSTEM_CHANGES.
    Raises UnexpectedTaskState, UnexpectedDeletingTaskState, UnexpectedVMState or InstanceNotFound.
    """
    task_expected, vm_expected = _several(expected_task_state), _several(expected_vm_state)
    now = db.types.utcnow()
    values = {**stored(values), 'updated_at': now}
    changes = values.pop(SYSTEM_CHANGES, None)
    if changes:
        values['system_metadata'] = merged(_locked_system_metadata(conn, uuid), changes)
    if db.instances.update(conn, uuid, values, task_expected, vm_expected):
        return now
    columns = db.instances.instances.c
    row = db.instances.by_uuid(conn, uuid, columns=(columns.task_state, columns.vm_state))
    if row is None:
        raise exception.InstanceNotFound(instance_id=uuid)
    if task_expected is not None and row['task_state'] not in task_expected:
        kind = (exception.UnexpectedDeletingTaskState if row['task_state'] in task_states.DELETING_STATES
                else exception.UnexpectedTaskState)
        raise kind(instance_uuid=uuid, actual=row['task_state'], expected=task_expected)
    raise exception.UnexpectedVMState(instance_uuid=uuid, actual=row['vm_state'], expected=vm_expected)


def _several(value):
    if value is None:
        return None
    return list(value) if isinstance(value, (list, tuple, set)) else [value]


def delete_rows(conn, uuid, values=None):
    """Delete a server and what belongs to it in its cell.  Raises InstanceNotFound."""
    if not db.instances.soft_delete(conn, uuid, values):
        raise exception.InstanceNotFound(instance_id=uuid)
    db.block_devices.soft_delete_of(conn, uuid)
    db.claims.release(conn, uuid)
    db.console_tokens.delete_of(conn, uuid)


@base.retried
def forget_globally(context, uuid):
    """Delete what the global tables know of a server."""
    with db.session.api_writer(context) as conn:
        db.mappings.delete_instance(conn, uuid)
        db.request_specs.delete(conn, uuid)
        db.groups.forget_member(conn, uuid)


def load_all(context, conn, rows, with_=()):
    """Objects of rows, with two more queries at most for those of EXTRAS that are named, however many rows."""
    loaded = [Instance.from_row(context, row) for row in rows]
    if not loaded or not with_:
        return loaded
    for name, found in zip(('tags', 'volumes'), db.extras.read(conn, rows, with_), strict=True):
        if name in with_:
            for instance in loaded:
                instance.trust(name, found.get(instance.uuid, []))
    if 'service' in with_:
        for instance, row in zip(loaded, rows, strict=True):
            known = db.extras.service_of(row)
            instance.service = service_obj.Service.from_row(context, known) if known is not None else None
    if 'fault' in with_:
        # Shown only for servers in ERROR or deleted; the others' are not looked for.
        wanted = [i.uuid for i in loaded if i.vm_state == 'error' or i.deleted]
        found = db.instances.latest_faults(conn, wanted) if wanted else {}
        for instance in loaded:
            row = found.get(instance.uuid)
            instance.trust('fault', InstanceFault.from_row(context, row) if row is not None else None)
    return loaded


@base.register
class InstanceList(base.NovaObjectList):
    fields = {'objects': fields.ListOfObjectsField('Instance')}

    @base.remotable_classmethod
    def get_by_filters(cls, context, filters, sort_keys=None, sort_dirs=None, limit=None, marker=None, with_=(),
                       columns=None):
        """Servers of the context's cell that match.

        :param filters: see `nova.db.main.instance_filters`; `context.read_deleted` is not looked at, the filter
            `deleted` is.
        :param marker: uuid of the last one seen.  Raises MarkerNotFound.
        :param columns: names of the columns to read; None for all.
        """
        with db.session.reader(context) as conn:
            rows = db.instance_filters.select(conn, filters, sort_keys, sort_dirs, limit, marker, columns, with_)
            return cls.of(context, load_all(context, conn, rows, with_))

    @base.remotable_classmethod
    def hosts_with_other_flavors(cls, context, flavor_id):
        """The hosts that have servers of other flavors than this (its number)."""
        c = db.instances.instances.c
        with db.session.reader(context) as conn:
            return db.instances.hosts_where(conn, c.instance_type_id != flavor_id)

    @classmethod
    def hosts_with_servers(cls, context, hosts):
        """Those of the hosts that have servers.  For services that have a database."""
        c = db.instances.instances.c
        with db.session.reader(context) as conn:
            return db.instances.hosts_where(conn, c.host.in_(hosts))

    @base.remotable_classmethod
    def get_active_by_window(cls, context, start, end, project_id=None, limit=None, marker=None, host=None):
        """Servers that were launched before `end` and not terminated before `start`, deleted ones too; oldest first.

        :param start, end: UTC, naive.  :param marker: uuid of the last one seen.
        """
        with db.session.reader(context) as conn:
            rows = db.instances.active_between(conn, base.moment(start), base.moment(end), project_id,
                                               limit, marker, host)
            return cls.of(context, load_all(context, conn, rows))

    @base.remotable_classmethod
    def position_of(cls, context, uuid, sort_keys, sort_dirs, project_id=None):
        """Where a server of this cell stands in a sorted list, as a marker for other cells.

        Raises MarkerNotFound, also for a server of another project than the one whose list it is (None: of all).
        """
        with db.session.reader(context) as conn:
            return db.instance_filters.at(conn, uuid, db.instance_filters.order(sort_keys, sort_dirs), project_id)

    @base.remotable_classmethod
    def get_by_host(cls, context, host, node=None):
        with db.session.reader(context) as conn:
            return cls.of(context, load_all(context, conn, db.instances.of_host(conn, host, node=node)))

    @base.remotable_classmethod
    def get_uuids_by_host(cls, context, host):
        with db.session.reader(context) as conn:
            c = db.instances.instances.c
            return [row['uuid'] for row in db.instances.of_host(conn, host, (c.uuid, c.id))]

    @base.remotable_classmethod
    def get_by_uuids(cls, context, uuids):
        with db.session.reader(context) as conn:
            return cls.of(context, load_all(context, conn, db.instances.by_uuids(conn, uuids, context.read_deleted)))
