# SPDX-License-Identifier: Apache-2.0
"""Monitors: what a host measures of itself, for MetricsWeigher and MetricsFilter."""

from oslo_log import log
from oslo_utils import timeutils

from nova.conf import CONF

LOG = log.getLogger(__name__)

_TIMES = ('kernel', 'idle', 'user', 'iowait')


def _cpu(stats, before):
    """{metric: value} of two readings of `get_host_cpu_stats`: times in ns since boot, shares of the time between."""
    values = {'cpu.frequency': stats['frequency'], **{f'cpu.{name}.time': stats[name] for name in _TIMES}}
    passed = {name: stats[name] - (before or {}).get(name, 0) for name in _TIMES}
    total = sum(passed.values())
    if total > 0:
        values.update({f'cpu.{name}.percent': passed[name] / total for name in _TIMES})
        values['cpu.percent'] = 1 - passed['idle'] / total
    return values


class Monitors:
    """The monitors of compute_monitors: cpu.virt_driver is the one there is."""

    def __init__(self, driver):
        self._driver = driver
        self._before = None

    def read(self):
        """[{'name', 'value', 'source', 'timestamp'}]; empty where none is enabled, or the driver has no numbers."""
        if not {'cpu.virt_driver', 'virt_driver'} & set(CONF.compute_monitors):
            return []
        try:
            stats = self._driver.get_host_cpu_stats()
        except NotImplementedError:
            return []
        except Exception:
            LOG.exception('The monitor cpu.virt_driver cannot be read')
            return []
        values, self._before = _cpu(stats, self._before), stats
        now = timeutils.utcnow().isoformat()
        return [{'name': name, 'value': value, 'source': 'cpu.virt_driver', 'timestamp': now}
                for name, value in values.items()]
