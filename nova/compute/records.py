# SPDX-License-Identifier: Apache-2.0
"""Recording what was asked for: the server's new state and the order, in one transaction."""

from nova import db, exception
from nova.conf import CONF
from nova.notifications import servers as notifications
from nova.objects import base, instance_action, quotas
from nova.objects import instance as instance_obj


@base.retried
def order(context, instance, row, binary, host, method, args=None, queue_delete=False,
          migration=None, migration_step=None, values=None, by='nova-api'):
    """Write an order for a server whose state allows it; returns the action's id.

    The state is guarded again in the WHERE: of two requests at once, one gets InstanceInvalidState.

    :param row: of the state table; its first `meanwhile` becomes the task state.
    :param queue_delete: the server stops counting against its project's quota.
    :param values: more columns of the server to change with it, see `instance.guarded_update`.
    :param by: the binary that tells of the change.
    :param migration: values of a migration that begins with it.
    :param migration_step: (uuid, status it must have, status it gets); raises MigrationNotFoundByStatus otherwise.
    """
    values = {**(values or {}), **({'task_state': row.meanwhile[0]} if row.meanwhile else {})}
    if queue_delete:
        values['progress'] = 0
    expected = row.tasks if row.tasks is not None else None
    try:
        with db.session.writer(context) as conn:
            if values:
                instance_obj.guarded_update(conn, instance.uuid, values, expected, row.vm)
            if migration is not None:
                db.migration_records.insert(conn, migration)
            if migration_step is not None and not db.migration_records.update(
                    conn, migration_step[0], {'status': migration_step[2]}, [migration_step[1]]):
                raise exception.MigrationNotFoundByStatus(instance_id=instance.uuid, status=migration_step[1])
            action_id = instance_action.record(conn, context, row.record, instance.uuid, binary=binary,
                                               host=host, method=method, args=args or {})
    except exception.UnexpectedTaskState as exc:
        raise exception.InstanceInvalidState(attr='task_state', instance_uuid=instance.uuid,
                                             state=exc.kwargs['actual'], method=row.name) from exc
    except exception.UnexpectedVMState as exc:
        raise exception.InstanceInvalidState(attr='vm_state', instance_uuid=instance.uuid,
                                             state=exc.kwargs['actual'], method=row.name) from exc
    if queue_delete:
        quotas.Quotas.stop_counting(context, instance.uuid)
    before = notifications.state_of(instance)
    instance.trust_stored(values)
    notifications.changed(context, instance, before, binary=by)
    return action_id


@base.retried
def note(context, instance, action, values, event=None, error=None):
    """Change a server at once and leave a record of who did it.

    :param event: name of the one step that this was, or None.
    :param error: what went wrong with it, as text, or None.
    """
    failed = instance_action.FAILED if error else None
    with db.session.writer(context) as conn:
        if values:
            instance_obj.guarded_update(conn, instance.uuid, instance_obj.column_values(values))
        action_id = instance_action.record(conn, context, action, instance.uuid, message=failed)
        if event:
            db.actions.start_event(conn, {'action_id': action_id, 'event': event, 'host': CONF.host})
            db.actions.finish_events(conn, action_id, {'finish_time': db.types.utcnow(), 'details': error,
                                                      'result': failed or 'Success'})
    instance.obj_reset_changes()
    if action in ('lock', 'unlock'):
        notifications.once(context, action, instance)


@base.retried
def set_tags(context, instance, tags):
    """Give a server these tags and no others, under a lock on its row."""
    with db.session.writer(context) as conn:
        _locked_metadata(conn, instance)
        db.instances.delete_tags(conn, instance.uuid)
        db.instances.add_tags(conn, instance.uuid, tags)
        instance_obj.guarded_update(conn, instance.uuid, {})
    instance.trust('tags', list(tags))
    notifications.changed(context, instance, notifications.state_of(instance), always=True)
    return instance.tags


@base.retried
def change_metadata(context, instance, metadata, replace, limit):
    """Merge or replace a server's metadata under a lock on its row; returns all of it."""
    with db.session.writer(context) as conn:
        merged = dict(metadata) if replace else {**_locked_metadata(conn, instance), **metadata}
        if 0 <= limit < len(merged):
            raise exception.MetadataLimitExceeded(allowed=limit)
        instance_obj.guarded_update(conn, instance.uuid, {'metadata': merged})
    instance.trust('metadata', merged)
    notifications.changed(context, instance, notifications.state_of(instance), always=True)
    return merged


@base.retried
def delete_metadata(context, instance, key):
    with db.session.writer(context) as conn:
        metadata = _locked_metadata(conn, instance)
        if key not in metadata:
            raise exception.NotFound(f'Metadata item {key} was not found')
        del metadata[key]
        instance_obj.guarded_update(conn, instance.uuid, {'metadata': metadata})
    instance.trust('metadata', metadata)
    notifications.changed(context, instance, notifications.state_of(instance), always=True)


def _locked_metadata(conn, instance):
    row = db.instances.lock_metadata(conn, instance.uuid)
    if row is None:
        raise exception.InstanceNotFound(instance_id=instance.uuid)
    return row['metadata'] or {}


def insert_servers(context, cell_rows, api_rows, quota):
    """Record new servers: the global rows and those of the cell (design section 5, 2), in a transaction each unless
    they are in one database.

    :param cell_rows: [(instance values, [bdm values], [tags], order)]; as many as fit the quota are used.
    :param api_rows: [(mapping values, request spec)], in the same order.
    :param quota: {'project_id', 'user_id', 'deltas', 'least', 'limits', 'group_id'}.
    Returns [(instance values with id, action id)].  Raises TooManyInstances, with nothing recorded.
    """
    uuids = [values['uuid'] for values, *_rest in cell_rows]
    if db.session.api_url() == db.session.main_url(context):
        return _insert_at_once(context, uuids, cell_rows, api_rows, quota)
    fits = base.retried(_insert_global)(context, uuids, api_rows, quota)
    try:
        return base.retried(_insert_in_cell)(context, cell_rows[:fits])
    except Exception:
        for uuid in uuids[:fits]:
            instance_obj.forget_globally(context, uuid)
        raise


@base.retried
def _insert_at_once(context, uuids, cell_rows, api_rows, quota):
    """Both kinds of table are in one database: all of it is one transaction, and run again as one."""
    with db.session.writer(context):
        return _insert_in_cell(context, cell_rows[:_insert_global(context, uuids, api_rows, quota)])


def _insert_global(context, uuids, api_rows, quota):
    """How many servers fit the quota, recorded."""
    with db.session.api_writer(context) as conn:
        fits = quotas.check_servers(conn, quota['project_id'], quota['user_id'], quota['deltas'],
                                    (quota['least'], len(uuids)), quota['limits'])
        db.mappings.insert_instances(conn, [mapping for mapping, _spec in api_rows[:fits]])
        db.request_specs.insert(conn, [{'instance_uuid': uuid, 'spec': spec}
                                       for uuid, (_mapping, spec) in zip(uuids, api_rows, strict=True)][:fits])
        if quota.get('group_id') is not None:
            quotas.check_count(conn, 'server_group_members', quota['project_id'],
                               db.groups.count_members(conn, quota['group_id']),
                               exception.ServerGroupMembersLimitExceeded, more=fits)
            db.groups.add_members(conn, quota['group_id'], uuids[:fits])
    return fits


def _insert_in_cell(context, cell_rows):
    made = []
    with db.session.writer(context) as conn:
        for values, bdms, tags, order_values in cell_rows:
            values.pop('id', None)      # of a try that was rolled back
            values['id'] = db.instances.insert_one(conn, values)
            db.block_devices.insert(conn, bdms)
            db.instances.add_tags(conn, values['uuid'], tags)
            made.append((values, instance_action.record(conn, context, 'create', values['uuid'], **order_values)))
    return made
