# SPDX-License-Identifier: Apache-2.0
"""How servers are looked for.  Source: the API specification, "GET /servers filters and sort keys".

`QUERY` says what may be sent; `filters` turns it into what the list of servers takes (`nova.db.main.instance_filters`).
"""

import re

from oslo_utils import strutils

from nova import exception
from nova.api.openstack import microversions
from nova.api.openstack.errors import Refused
from nova.api.openstack.schema import Limit, Prefix, Query, Text, Timestamp, ValueRefused
from nova.compute import states, vm_states

#: Filters that everybody may use, and since when.
EVERYBODY = {
    'reservation_id': '2.1', 'name': '2.1', 'status': '2.1', 'image': '2.1', 'flavor': '2.1', 'ip': '2.1',
    'changes-since': '2.1', 'ip6': '2.5', 'tags': '2.26', 'tags-any': '2.26', 'not-tags': '2.26',
    'not-tags-any': '2.26', 'changes-before': '2.66', 'locked': '2.73', 'availability_zone': '2.83',
    'config_drive': '2.83', 'key_name': '2.83', 'created_at': '2.83', 'launched_at': '2.83', 'terminated_at': '2.83',
    'power_state': '2.83', 'task_state': '2.83', 'vm_state': '2.83', 'progress': '2.83', 'user_id': '2.83',
    'hostname': '2.90',
}
#: More that administrators may use.
ADMINS = ('access_ip_v4', 'access_ip_v6', 'auto_disk_config', 'deleted', 'soft_deleted', 'description',
          'display_description', 'display_name', 'host', 'hostname', 'image_ref', 'kernel_id', 'launch_index',
          'locked_by', 'node', 'project_id', 'tenant_id', 'ramdisk_id', 'root_device_name', 'uuid',
          *(name for name, since in EVERYBODY.items() if since != '2.1'))
#: Without effect until 2.74, refused from 2.75.  `locked` sorts from 2.73.
IGNORED_SORT_KEYS = frozenset((
    'architecture', 'cell_name', 'cleaned', 'default_ephemeral_device', 'default_swap_device', 'deleted', 'deleted_at',
    'disable_terminate', 'ephemeral_gb', 'ephemeral_key_uuid', 'id', 'key_data', 'launched_on', 'locked', 'memory_mb',
    'os_type', 'reservation_id', 'root_gb', 'shutdown_terminate', 'user_data', 'vcpus', 'vm_mode'))
SORT_KEYS = frozenset((
    'access_ip_v4', 'access_ip_v6', 'auto_disk_config', 'availability_zone', 'config_drive', 'created_at',
    'display_description', 'display_name', 'host', 'hostname', 'image_ref', 'instance_type_id', 'kernel_id', 'key_name',
    'launch_index', 'launched_at', 'locked_by', 'node', 'power_state', 'progress', 'project_id', 'ramdisk_id',
    'root_device_name', 'task_state', 'terminated_at', 'updated_at', 'user_id', 'uuid', 'vm_state'))
ADMIN_SORT_KEYS = frozenset(('host', 'node'))
_TAGS = ('tags', 'tags-any', 'not-tags', 'not-tags-any')
_REGEX = ('name', 'ip', 'ip6', 'display_name', 'description', 'display_description', 'hostname', 'node', 'key_name',
          'kernel_id', 'ramdisk_id', 'root_device_name', 'availability_zone')
_INTEGERS = ('progress', 'launch_index')
_IN_ROW = frozenset((*EVERYBODY, *ADMINS)) - {'ip', 'ip6', 'flavor', 'status', 'deleted', 'soft_deleted'}


class _Refused(Text):
    """A name that is no filter because it would look into other tables."""

    @staticmethod
    def convert(value):
        raise ValueRefused('is no filter of servers')


class _Regex(Text):
    @staticmethod
    def convert(value):
        try:
            re.compile(value)
        except re.error as error:
            raise ValueRefused(f'is not a regular expression: {error}') from error
        return value


def _fields():
    for name in sorted({*EVERYBODY, *ADMINS}):
        if name in ('changes-since', 'changes-before'):
            yield Timestamp(name, to=name.replace('-', '_'), since=EVERYBODY[name])
        elif name in _REGEX:
            yield _Regex(name, many=True)
        else:
            yield Text(name, to=name.replace('-', '_'), many=True, format=None)
    for name in ('block_device_mapping', 'services', 'metadata', 'system_metadata', 'info_cache', 'security_groups',
                 'pci_devices'):
        yield _Refused(name)


QUERY = Query(
    Limit(), Text('marker', min=1), Text('sort_key', many=True), Text('sort_dir', many=True),
    Text('all_tenants', format=None), *_fields(), Prefix('_', to='private'), strict='2.75', gather='query')


def wants_all_projects(query):
    """Whether the caller asks for all projects' servers.  Refuses what is neither true nor false."""
    value = query.get('all_tenants')
    if value is None:
        return False
    if value == '':
        return True
    try:
        return strutils.bool_from_string(value, strict=True)
    except ValueError as error:
        raise Refused(f'all_tenants: {value!r} is neither true nor false.') from error


def sorting(context, query, minor):
    """(sort keys, sort directions)"""
    keys, dirs = list(query.get('sort_key') or ['created_at']), list(query.get('sort_dir') or ())
    for direction in dirs:
        if direction not in ('asc', 'desc'):
            raise Refused(f"sort_dir: {direction!r} is not allowed. It must be 'asc' or 'desc'.")
    if len(dirs) > len(keys):
        raise Refused(f'sort_dir: there are {len(dirs)} directions for {len(keys)} sort keys.')
    dirs += [dirs[0] if dirs else 'desc'] * (len(keys) - len(dirs))
    wanted = []
    # A key without effect takes its direction with it.
    for key, direction in zip(keys, dirs, strict=True):
        known = key in SORT_KEYS or (key == 'locked' and minor >= microversions.minor('2.73'))
        if key in ADMIN_SORT_KEYS and not context.is_admin:
            raise exception.NotAuthorized(f'Only administrators can sort servers by {key}')
        if known:
            wanted.append((key, direction))
        elif key not in IGNORED_SORT_KEYS or minor >= microversions.minor('2.75'):
            raise Refused(f'sort_key: {key!r} is not a key that servers can be sorted by.')
    return ([key for key, _direction in wanted], [direction for _key, direction in wanted]) if wanted else (None, None)


def filters(context, query, minor, admin_filters, all_projects):
    """What the list takes; None when nothing can match.

    :param admin_filters: whether the caller may use every filter.
    Raises Refused and NotAuthorized.
    """
    for name in query.get('private', ()):
        raise Refused(f'_{name}: is no filter of servers.')
    found = {}
    for name, since in EVERYBODY.items():
        if minor >= microversions.minor(since) or admin_filters:
            _take(found, name, query)
    if admin_filters:
        for name in ADMINS:
            _take(found, name, query)
    if not all_projects:
        found['project_id'] = context.project_id
    elif 'tenant_id' in found:
        found['project_id'] = found['tenant_id']
    found.pop('tenant_id', None)
    since, before = query.get('changes_since'), query.get('changes_before')
    if since and before and since > before:
        raise Refused('The value of changes-since must be less than or equal to changes-before.')
    if not admin_filters and minor < microversions.minor(EVERYBODY['ip6']):
        query.pop('ip6', None)
    _deleted(context, found, query, admin_filters)
    return found if _status(context, found, query, minor) else None


def _take(found, name, query):
    values = query.get(name.replace('-', '_'))
    if values is None or name not in _IN_ROW:
        return
    if name in _TAGS:
        found[name] = [tag for tag in values[-1].split(',') if tag]
    elif name == 'locked':
        try:
            found[name] = strutils.bool_from_string(values[-1], strict=True)
        except ValueError as error:
            raise Refused(f'locked: {values[-1]!r} is neither true nor false.') from error
    elif name == 'auto_disk_config':
        found[name] = values[-1].upper() in ('AUTO', 'TRUE', '1')
    elif name == 'config_drive':
        found[name] = 'True' if strutils.bool_from_string(values[-1]) else '^$'
    elif name in _INTEGERS or name == 'power_state':
        found[name] = _integer(name, values[-1])
    elif name in ('changes-since', 'changes-before'):
        found[name] = values
    else:
        found[name] = values if len(values) > 1 else values[0]


def _integer(name, text):
    try:
        return int(text)
    except ValueError as error:
        raise Refused(f'{name}: {text!r} is not a whole number.') from error


def _deleted(context, found, query, admin_filters):
    """Deleted servers are shown to administrators who ask, and to whoever asks what changed.

    Those that can still be restored also to whoever asks for their status.
    """
    found['soft_deleted'] = False
    if query.get('changes_since') or query.get('changes_before'):
        found['deleted'] = None
        del found['soft_deleted']
    for name in ('deleted', 'soft_deleted'):
        if admin_filters and query.get(name):
            found[name] = strutils.bool_from_string(query[name][-1], default=False)
    if found.get('deleted') or vm_states.SOFT_DELETED in (query.get('vm_state') or ()):
        found['soft_deleted'] = True


def _status(context, found, query, minor):
    statuses = query.get('status')
    if not statuses:
        return True
    vms, tasks = states.from_status(*statuses)
    if not vms:
        if minor >= microversions.minor('2.38'):
            raise Refused(f'status: {statuses[0]!r} is not the status of a server.')
        return False
    if vm_states.DELETED in vms:
        if not context.is_admin:
            raise exception.NotAuthorized('Only administrators may list deleted servers')
        found['deleted'] = True
        if len(vms) == 1:
            return True
    found['vm_state'] = vms
    if vm_states.SOFT_DELETED in vms:
        found['soft_deleted'] = True
    if tasks:
        found['task_state'] = tasks
    return True


def by_address(servers, query):
    """Those with a fixed address that one of the regular expressions finds."""
    for name, version in (('ip', 4), ('ip6', 6)):
        patterns = [re.compile(text) for text in query.get(name) or ()]
        if patterns:
            servers = [server for server in servers if any(
                pattern.search(ip['address']) for pattern in patterns
                for ip in server.get_network_info().fixed_ips() if ip['version'] == version)]
    return servers
