# SPDX-License-Identifier: Apache-2.0
"""Whether what is promised adds up."""

from nova import objects
from nova.cmd.manage import output


def _differences(in_cell):
    return [{'what': f'node {row["node"]} on {row["host"]}', 'used': row['used'], 'claimed': row['claimed']}
            for row in objects.Claim.check(in_cell)] + [
        {'what': f'server {claim.instance_uuid} is gone, or on no host', 'used': None,
         'claimed': {'host': claim.host, 'vcpus': claim.vcpus, 'memory_mb': claim.memory_mb}}
        for claim in objects.ClaimList.get_orphans(in_cell)]


def check(context):
    """Compare nodes with claims, and claims with servers, in all cells; status 3 and the list when they differ."""
    answers, down = objects.cell.ask_each(context, _differences)
    wrong = [row for _cell, rows in answers for row in rows]
    wrong += [{'what': f'cell {cell.name} does not answer', 'used': None, 'claimed': None} for cell in down]
    return output.Left(wrong) if wrong else output.Sentence(
        'Usage is the sum of the claims, and every claim has its server.')


COMMANDS = {'check': check}
