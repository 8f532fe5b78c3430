# SPDX-License-Identifier: Apache-2.0
"""How long servers ran, and what they had meanwhile, by project."""

import itertools

from oslo_utils import timeutils

from nova import exception, objects
from nova.compute import vm_states
from nova.objects import base


def rows(context, start, end, project_id=None, limit=None, marker=None):
    """Servers that existed at some time between two moments, deleted ones too, in the order of creation.

    :param start, end: UTC, naive.
    :param marker: uuid of the last one seen.  Raises MarkerNotFound.
    """
    def ask(in_cell):
        has_marker = marker is not None and _is_in(in_cell, marker)
        return has_marker, objects.InstanceList.get_active_by_window(
            in_cell, start, end, project_id, limit, marker if has_marker else None).objects

    # Pages go through one cell after the other: those before the cell of the marker were shown.
    answers = [answer for _cell, answer in objects.cell.ask_each(context, ask)[0]]
    if marker is not None:
        answers = list(itertools.dropwhile(lambda answer: not answer[0], answers))
        if not answers:
            raise exception.MarkerNotFound(marker=marker)
    return [server for _has_marker, servers in answers for server in servers][:limit]


def _is_in(in_cell, marker):
    in_cell.read_deleted = 'yes'
    try:
        return bool(objects.Instance.get_by_uuid(in_cell, marker))
    except exception.InstanceNotFound:
        return False
    finally:
        in_cell.read_deleted = 'no'


def by_project(servers, start, end):
    """{project: usage}, each as the API shows it."""
    found = {}
    for server in servers:
        usage = found.setdefault(server.project_id, {
            'tenant_id': server.project_id, 'start': _text(start), 'stop': _text(end), 'total_hours': 0.0,
            'total_vcpus_usage': 0.0, 'total_memory_mb_usage': 0.0, 'total_local_gb_usage': 0.0, 'server_usages': []})
        one = _of_server(server, start, end)
        usage['server_usages'].append(one)
        usage['total_hours'] += one['hours']
        for name in ('vcpus', 'memory_mb', 'local_gb'):
            usage[f'total_{name}_usage'] += one[name] * one['hours']
    return found


def _of_server(server, start, end):
    launched, terminated = base.naive(server.launched_at), base.naive(server.terminated_at)
    begun = max(launched, start) if launched else end
    ended = min(terminated, end) if terminated else end
    return {
        'instance_id': server.uuid, 'name': server.display_name, 'tenant_id': server.project_id,
        'flavor': server.flavor.name, 'vcpus': server.vcpus, 'memory_mb': server.memory_mb,
        'local_gb': server.root_gb + server.ephemeral_gb, 'hours': max(0.0, (ended - begun).total_seconds()) / 3600,
        'started_at': _text(launched), 'ended_at': _text(terminated),
        'uptime': int(((terminated or timeutils.utcnow()) - launched).total_seconds()) if launched else 0,
        'state': 'terminated' if terminated and server.vm_state != vm_states.SOFT_DELETED else server.vm_state,
    }


def _text(moment):
    return moment.strftime('%Y-%m-%dT%H:%M:%S.%f') if moment else None
