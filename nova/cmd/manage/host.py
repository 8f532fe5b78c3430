# SPDX-License-Identifier: Apache-2.0
"""Compute hosts and what is promised of them."""

from nova import objects


def list_hosts(context):
    """Nodes of all cells: promised of all there is."""
    answers, _down = objects.cell.ask_each(context, lambda in_cell: objects.ComputeNodeList.get_all(in_cell).objects)
    return [{'host': node.host, 'node': node.hypervisor_hostname, 'type': node.hypervisor_type,
             'vcpus': f'{node.vcpus_used}/{node.vcpus}', 'memory_mb': f'{node.memory_mb_used}/{node.memory_mb}',
             'disk_gb': f'{node.local_gb_used}/{node.local_gb}', 'servers': node.running_vms}
            for _cell, nodes in answers for node in nodes]


COMMANDS = {'list': list_hosts}
