# SPDX-License-Identifier: Apache-2.0
"""Compute nodes of all cells as administrators look at them: each with the service of its host, and its servers.

A node has a UUID, and a number that a node of another cell may have too.  Lists are in the order of the numbers.
"""

import collections

from nova import exception, objects
from nova.compute import lookup


def page(context, limit=None, marker=None, by_uuid=True, with_servers=False):
    """Nodes after the marker.  Raises MarkerNotFound.

    :param marker: UUID of the last one seen; without `by_uuid` its number.  After a number come only greater ones, so
        that a page may be longer than its limit: it has all nodes of its last number.
    """
    last = _place_of(context, marker, by_uuid)

    def ask(in_cell):
        # From the marker's number on, one more for its own node: this cell may have another node of the number.
        found = objects.ComputeNodeList.get_by_pagination(in_cell, None if limit is None else limit + 1, last[0] - 1)
        return _complete(in_cell, [node for node in found if _place(node) > last], with_servers)

    nodes = _of_all_cells(context, ask)
    full = nodes[:limit]
    if by_uuid or not full or limit is None:
        return full
    return full + [node for node in nodes[limit:] if node.id == full[-1].id]


def _place(node):
    return node.id, node.uuid


def _place_of(context, marker, by_uuid):
    if marker is None:
        return 0, ''
    try:
        node = lookup.find(context, lambda in_cell: _get(in_cell, marker, by_uuid))
    except exception.ComputeHostNotFound as exc:
        raise exception.MarkerNotFound(marker=marker) from exc
    return _place(node) if by_uuid else (node.id + 1, '')


def _get(in_cell, node_id, by_uuid):
    get = objects.ComputeNode.get_by_uuid if by_uuid else objects.ComputeNode.get_by_id
    return get(in_cell, node_id)


def find(context, node_id, by_uuid=True, with_servers=False):
    """The node of a UUID, or of a number: where several cells have it, that of the first.

    Raises ComputeHostNotFound, also for one whose host has no service.
    """
    def ask(in_cell):
        for node in _complete(in_cell, [_get(in_cell, node_id, by_uuid)], with_servers):
            return node
        raise exception.ComputeHostNotFound(host=node_id)

    return lookup.find(context, ask)


def matching(context, pattern, with_servers=False):
    """Nodes whose name has the text in it.  Raises ComputeHostNotFound when there is none."""
    def ask(in_cell):
        nodes = objects.ComputeNodeList.get_by_hypervisor(in_cell, pattern).objects
        if not nodes:
            raise exception.ComputeHostNotFound(host=pattern)
        return _complete(in_cell, nodes, with_servers)

    return sorted((node for nodes in lookup.find_all(context, ask) for node in nodes), key=_place)


def statistics(context):
    """The sums over all nodes whose service is enabled."""
    sums = collections.Counter()
    for _cell, found in objects.cell.ask_each(context, objects.ComputeNodeList.statistics)[0]:
        sums.update(found)
    return dict(sums)


def _of_all_cells(context, ask):
    answers, _down = objects.cell.ask_each(context, ask)
    return sorted((node for _cell, nodes in answers for node in nodes), key=_place)


def _complete(in_cell, nodes, with_servers):
    """Those of a cell's nodes that have a service, each with it as `service`, and (with_servers) with its `servers`.

    Two queries at most.
    """
    hosts = list({node.host for node in nodes})
    services = {service.host: service for service in objects.ServiceList.get_by_hosts(in_cell, hosts)} if hosts else {}
    nodes = [node for node in nodes if node.host in services]
    servers = collections.defaultdict(list)
    if with_servers and nodes:
        for server in objects.InstanceList.get_by_filters(in_cell, {'host': hosts},
                                                          columns=['id', 'uuid', 'host', 'node']):
            servers[server.host, server.node].append(server)
    for node in nodes:
        node.service = services[node.host]
        if with_servers:
            node.servers = servers[node.host, node.hypervisor_hostname]
    return nodes
