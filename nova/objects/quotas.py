# SPDX-License-Identifier: Apache-2.0
"""Limits and how much of them is used.  What counts is counted when it is asked (design D2): nothing can drift."""

from nova import db, exception
from nova.conf import CONF
from nova.objects import base

#: Resource name as in the API -> option of [quota].
OPTIONS = {
    'instances': 'instances', 'cores': 'cores', 'ram': 'ram', 'floating_ips': 'floating_ips', 'fixed_ips': 'fixed_ips',
    'metadata_items': 'metadata_items', 'injected_files': 'injected_files',
    'injected_file_content_bytes': 'injected_file_content_bytes',
    'injected_file_path_bytes': 'injected_file_path_length', 'security_groups': 'security_groups',
    'security_group_rules': 'security_group_rules', 'key_pairs': 'key_pairs', 'server_groups': 'server_groups',
    'server_group_members': 'server_group_members',
}
#: Counted together in the instance mappings.
SERVER_RESOURCES = ('instances', 'cores', 'ram')
UNLIMITED = -1


@base.register
class Quotas(base.NovaObject):
    fields = {}

    @base.remotable_classmethod
    def limits(cls, context, project_id, user_id=None):
        """{resource: limit} that hold for a project, or for a user in it."""
        with db.session.api_reader(context) as conn:
            return _limits(conn, project_id, user_id)

    @classmethod
    def server_limits(cls, context, project_id, user_id):
        """(limits that hold for the user, limits of the project, what of them the user has of his own), one query.

        For services that have a database.
        """
        with db.session.api_reader(context) as conn:
            by_kind = _limits_by_kind(conn, project_id, user_id)
        project = {**_options(), **by_kind['class'], **by_kind['project']}
        return {**project, **by_kind['user']}, project, by_kind['user']

    @base.remotable_classmethod
    def defaults(cls, context):
        with db.session.api_reader(context) as conn:
            return {**_options(), **db.quotas.of_class(conn, 'default')}

    @base.remotable_classmethod
    def server_usage(cls, context, project_id, user_id=None):
        """{'instances', 'cores', 'ram' (MiB), 'server_groups'} in use."""
        with db.session.api_reader(context) as conn:
            used = dict(zip(SERVER_RESOURCES, db.mappings.usage(conn, project_id, user_id), strict=True))
            used['server_groups'] = db.groups.count(conn, project_id)
        return used

    @base.remotable_classmethod
    def network_usage(cls, context, project_id):
        """{'floating_ips', 'security_groups'} in use."""
        with db.session.reader(context) as conn:
            return {'floating_ips': db.networks.count_floating(conn, project_id),
                    'security_groups': db.security_groups.count(conn, project_id)}

    @base.remotable_classmethod
    def of_class(cls, context, name):
        """{resource: limit} of a class; what it does not say is the default."""
        with db.session.api_reader(context) as conn:
            return {**_options(), **db.quotas.of_class(conn, name)}

    @classmethod
    def usage(cls, context, project_id, user_id=None):
        """{resource: in use} of what is counted over time; the other limits are for one request each."""
        used = cls.server_usage(context, project_id, user_id)
        if user_id is None:
            used.update(cls.network_usage(context, project_id))
        return used

    @base.remotable_classmethod
    @base.retried
    def stop_counting(cls, context, instance_uuid):
        """A server that is being deleted leaves its room to others."""
        with db.session.api_writer(context) as conn:
            db.mappings.update_instance(conn, instance_uuid, {'queued_for_delete': True})

    @base.remotable_classmethod
    @base.retried
    def count_again(cls, context, instance_uuid, project_id, user_id, amounts):
        """Count a server whose deletion is taken back.  Raises TooManyInstances: its room is not free any more.

        :param amounts: its {'cores', 'ram' (MiB)}.
        """
        _effective, *limits = cls.server_limits(context, project_id, user_id)
        with db.session.api_writer(context) as conn:
            check_servers(conn, project_id, user_id, amounts, (1, 1), limits)
            db.mappings.update_instance(conn, instance_uuid, {'queued_for_delete': False})

    @base.remotable_classmethod
    @base.retried
    def resize(cls, context, instance_uuid, project_id, amounts, check=True):
        """Count a server with other amounts ({'cores', 'ram'} in MiB).  Raises TooManyInstances when they do not fit.

        :param check: False: only write them (they are less, or were counted already).
        """
        with db.session.api_writer(context) as conn:
            row = db.mappings.instance(conn, instance_uuid)
            if check and row is not None:
                growth = {name: max(0, amounts[name] - row[name]) for name in amounts}
                _effective, *limits = cls.server_limits(context, project_id, row['user_id'])
                check_servers(conn, project_id, row['user_id'], {'instances': 0, **growth}, (1, 1), limits)
            db.mappings.update_instance(conn, instance_uuid, dict(amounts))

    @base.remotable_classmethod
    @base.retried
    def set_limits(cls, context, limits, project_id='', user_id='', class_name=''):
        with db.session.api_writer(context) as conn:
            for resource, limit in limits.items():
                db.quotas.set_limit(conn, resource, limit, class_name, project_id, user_id or '')

    @base.remotable_classmethod
    @base.retried
    def delete(cls, context, project_id, user_id=None):
        with db.session.api_writer(context) as conn:
            db.quotas.delete(conn, project_id, user_id)


def _options():
    return {resource: getattr(CONF.quota, option) for resource, option in OPTIONS.items()}


def _limits(conn, project_id, user_id=None):
    by_kind = _limits_by_kind(conn, project_id, user_id)
    return {**_options(), **by_kind['class'], **by_kind['project'], **by_kind['user']}


def _limits_by_kind(conn, project_id, user_id=None):
    by_kind = {'class': {}, 'project': {}, 'user': {}}
    for kind, resource, limit in db.quotas.select(conn, project_id, user_id):
        by_kind[kind][resource] = limit
    return by_kind


def check_count(conn, resource, project_id, used, error, more=1):
    """Raise `error` unless so many more fit; held until the caller's transaction ends, which then inserts them."""
    db.quotas.hold(conn, project_id)
    limit = _limits(conn, project_id)[resource]
    if limit != UNLIMITED and used + more > limit:
        raise error(allowed=limit)


def check_servers(conn, project_id, user_id, deltas, want_least, limits):
    """How many servers of a size fit; the caller's transaction then inserts their mappings.

    Where there is a limit this holds the project's quota lock until the transaction ends, so that nobody else counts
    meanwhile.  It must be the first statement of the transaction: what is read before might be old.

    :param deltas: {'cores', 'ram'} of one server; with {'instances': 0}, what one that is there has more than before.
    :param want_least: (min, max) number of servers wanted.
    :param limits: (of the project, of the user), as `Quotas.server_limits` gives them.
    Returns the number that fits, between min and max.  Raises TooManyInstances when fewer than min fit.
    """
    least, most = want_least
    one = {'instances': 1, **deltas}
    fits, held = most, False
    for of_whom, user in zip(limits, (None, user_id), strict=True):
        limited = [name for name in SERVER_RESOURCES if of_whom.get(name, UNLIMITED) != UNLIMITED and one[name]]
        if not limited:
            continue
        if not held:
            db.quotas.hold(conn, project_id)
            held = True
        used = dict(zip(SERVER_RESOURCES, db.mappings.usage(conn, project_id, user), strict=True))
        for name in limited:
            fits = min(fits, max(0, of_whom[name] - used[name]) // one[name])
        if fits < least:
            _refuse([name for name in limited if used[name] + least * one[name] > of_whom[name]],
                    {name: least * amount for name, amount in one.items()}, used, of_whom)
    return fits


def _refuse(over, asked, used, limits):
    def join(values):
        return ', '.join(str(values[name]) for name in over)
    raise exception.TooManyInstances(overs=', '.join(over), req=join(asked), used=join(used), allowed=join(limits))
