# SPDX-License-Identifier: Apache-2.0
"""Quotas of projects."""

import sys

from nova import objects
from nova.cmd.manage.arguments import arg
from nova.objects import quotas


@arg('project_id')
@arg('--user')
@arg('--key', choices=sorted(quotas.OPTIONS), help='what to change')
@arg('--value', type=int, help='-1: no limit')
def quota(context, project_id, user, key, value):
    """Show the limits of a project (or a user in it), after changing one if --key and --value are given."""
    if (key is None) != (value is None) or (value is not None and value < -1):
        print('nova-manage: --value: must come with --key, and be -1 (no limit) or more', file=sys.stderr)
        return 2
    if key is not None:
        objects.Quotas.set_limits(context, {key: value}, project_id=project_id, user_id=user or '')
    limits = objects.Quotas.limits(context, project_id, user)
    used = objects.Quotas.server_usage(context, project_id, user)
    return [{'resource': name, 'limit': limit, 'used': used.get(name)} for name, limit in limits.items()]


COMMANDS = {'quota': quota}
