# SPDX-License-Identifier: Apache-2.0
"""What this host has, told to the scheduler.  What is used is the sum of the claims: nothing is invented here."""

import orjson
from oslo_log import log

from nova import numa, objects
from nova.compute import monitors
from nova.conf import CONF
from nova.notifications import tell
from nova.pci import devices as pci

LOG = log.getLogger(__name__)


class ResourceTracker:
    """Reports the nodes of one host.

    :param driver: the virt driver that knows them.
    :param busy: the servers that something is being done with: a set that others keep.
    """

    def __init__(self, host, driver, busy=()):
        self.host = host
        self.driver = driver
        #: {name: node} of those that are recorded; None: not read yet.
        self.nodes = None
        #: Names of nodes that are gone and cannot be forgotten.
        self._missed = set()
        self._busy = busy
        self._monitors = monitors.Monitors(driver)
        #: Builds that failed since one succeeded.
        self._failed_builds = 0

    def report(self, context):
        """Tell what every node has; nodes that the driver does not have any more are removed.

        Those with servers stay, and are looked at again the next time.
        """
        names = self.driver.get_available_nodes()
        if self.nodes is None:
            self.nodes = {node.hypervisor_hostname: node
                          for node in objects.ComputeNodeList.get_by_host(context, self.host)}
        for name in names:
            values = self._values(name)
            self.nodes[name] = objects.ComputeNode.report(context, self.host, name, values)
            tell.metrics(context, values['metrics'], self.host, name)
        self._missed.difference_update(names)
        for gone in set(self.nodes) - set(names):
            self._forget(gone)

    def _forget(self, name):
        if self.nodes[name].destroy():
            LOG.info('Node %s is not here any more', name)
            del self.nodes[name]
            self._missed.discard(name)
        elif name not in self._missed:
            self._missed.add(name)
            LOG.warning('Node %s is not here any more, but servers are on it by the records: it stays there until '
                        'they are gone', name)

    def _inventory(self, node, found, devices):
        """All resource classes of a node: the driver's own, its cells, its PCI devices."""
        return {**self.driver.get_inventory(node), **pci.inventory(devices),
                **numa.inventory(found.get('numa_topology'), CONF.cpu_allocation_ratio, CONF.ram_allocation_ratio)}

    def build_succeeded(self):
        """Forget the builds that failed before."""
        self._failed_builds = 0

    def build_failed(self, context):
        """Count it, tell the schedulers now, and disable the host when there were too many in a row."""
        self._failed_builds += 1
        self.report(context)
        limit = CONF.compute.consecutive_build_service_disable_threshold
        # More than that: of builds side by side, or after an administrator enabled the host.
        if limit and self._failed_builds >= limit:
            service = objects.Service.get_by_args(context, self.host, 'nova-compute')
            if not service.disabled:
                service.disabled = True
                service.disabled_reason = f'{self._failed_builds} builds failed here in a row.'
                service.save()
                tell.service(context, 'update', service, 'nova-compute', self.host)
                LOG.error('%d builds failed in a row: this host takes no more servers until an administrator enables '
                          'it', self._failed_builds)

    def _values(self, node):
        found = self.driver.get_available_resource(node)
        devices = pci.offered(_listed(found.get('pci_passthrough_devices')))
        cpu_info = found.get('cpu_info')
        if cpu_info is not None and not isinstance(cpu_info, str):
            cpu_info = orjson.dumps(cpu_info).decode()
        return {
            'vcpus': int(found['vcpus']), 'memory_mb': int(found['memory_mb']), 'local_gb': int(found['local_gb']),
            'reserved_vcpus': CONF.reserved_host_cpus, 'reserved_memory_mb': CONF.reserved_host_memory_mb,
            'reserved_disk_gb': -(-CONF.reserved_host_disk_mb // 1024),
            'cpu_allocation_ratio': CONF.cpu_allocation_ratio, 'ram_allocation_ratio': CONF.ram_allocation_ratio,
            'disk_allocation_ratio': CONF.disk_allocation_ratio,
            'hypervisor_type': found.get('hypervisor_type'), 'hypervisor_version': found.get('hypervisor_version'),
            'host_ip': CONF.my_ip, 'cpu_info': cpu_info,
            'disk_available_least': found.get('disk_available_least'),
            'traits': sorted(self.driver.get_traits(node)),
            'inventory': self._inventory(node, found, devices), 'pci_stats': devices,
            'stats': {'io_workload': len(self._busy), 'failed_builds': self._failed_builds,
                      **(found.get('stats') or {})},
            'metrics': self._monitors.read(),
            'numa_topology': found.get('numa_topology'),
            'current_workload': len(self._busy),
            'running_vms': self.driver.get_num_instances(),
            'supported_hv_specs': [list(spec) for spec in found.get('supported_instances') or ()],
        }


def _listed(devices):
    """The devices that a driver reports: a list, or the JSON of one."""
    return (orjson.loads(devices) if isinstance(devices, (str, bytes)) else devices) or []
