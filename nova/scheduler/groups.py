# SPDX-License-Identifier: Apache-2.0
"""Server groups: where their servers are, as claims say, and the last word about anti-affinity."""

from nova import context as nova_context
from nova import exception, objects


def load(request, placing):
    """Look up where the other servers of the request's group are.  One query, and one in each cell.

    :param placing: uuids of the servers that are being placed: what they have already does not count.
    """
    group = request.spec.instance_group
    if group is None:
        return
    admin = nova_context.get_admin_context()
    try:
        members = objects.InstanceGroup.get_by_uuid(admin, group.uuid).members
    except exception.InstanceGroupNotFound:
        members = []
    others = [uuid for uuid in members if uuid not in placing]
    request.member_hosts = {}
    if not others:
        return
    answers, _down = objects.cell.ask_each(
        admin, lambda in_cell: objects.ClaimList.get_by_instances(in_cell, others).objects)
    for claim in (claim for _cell, claims in answers for claim in claims):
        request.member_hosts[f'{claim.instance_uuid} {claim.migration_uuid}'] = claim.host


def guard(request):
    """What the claims' transaction has to keep, for `Claim.make`, or None."""
    if request.group_policy not in ('affinity', 'anti-affinity'):
        return None
    group = request.spec.instance_group
    try:
        members = objects.InstanceGroup.get_by_uuid(nova_context.get_admin_context(), group.uuid).members
    except exception.InstanceGroupNotFound:
        # It was deleted since, and its servers are in none.
        return None
    return {'uuid': group.uuid, 'policy': request.group_policy, 'members': members, 'limit': request.group_limit}
