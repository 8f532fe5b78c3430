# SPDX-License-Identifier: Apache-2.0
"""Compute hosts and what is promised of them."""

from nova import context as nova_context
from nova import objects


def list_hosts(context):
    """Nodes of all cells: promised of all there is."""
    rows = []
    for cell in objects.CellMappingList.to_ask(context):
        with nova_context.target_cell(context, cell) as there:
            rows += [{'host': node.host, 'node': node.hypervisor_hostname, 'type': node.hypervisor_type,
                      'vcpus': f'{node.vcpus_used}/{node.vcpus}',
                      'memory_mb': f'{node.memory_mb_used}/{node.memory_mb}',
                      'disk_gb': f'{node.local_gb_used}/{node.local_gb}', 'servers': node.running_vms}
                     for node in objects.ComputeNodeList.get_all(there)]
    return rows


COMMANDS = {'list': list_hosts}
