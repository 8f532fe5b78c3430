# SPDX-License-Identifier: Apache-2.0
"""Whether what is promised adds up."""

from nova import objects


def check(context):
    """Compare nodes with claims, and claims with servers; status 3 and the list when they differ."""
    wrong = [{'what': f'node {row["node"]} on {row["host"]}', 'used': row['used'], 'claimed': row['claimed']}
             for row in objects.Claim.check(context)]
    wrong += [{'what': f'server {claim.instance_uuid} is gone, or on no host', 'used': None,
               'claimed': {'host': claim.host, 'vcpus': claim.vcpus, 'memory_mb': claim.memory_mb}}
              for claim in objects.ClaimList.get_orphans(context)]
    return wrong or 'Usage is the sum of the claims, and every claim has its server.'


COMMANDS = {'check': check}
