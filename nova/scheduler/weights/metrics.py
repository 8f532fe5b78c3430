# SPDX-License-Identifier: Apache-2.0
from nova import exception
from nova.conf import CONF
from nova.scheduler import weights


class MetricNotFound(exception.NovaException):
    msg_fmt = 'Host %(host)s reports no metric %(name)s, which [metrics]weight_setting requires.'


def settings():
    """[(metric, ratio)] of [metrics]weight_setting.  Raises ConfigInvalid."""
    found = []
    for item in CONF.metrics.weight_setting:
        name, equals, ratio = item.partition('=')
        try:
            found.append((name.strip(), float(ratio)))
        except ValueError:
            equals = ''
        if not (name.strip() and equals):
            raise exception.ConfigInvalid(option='[metrics]weight_setting', reason=f'{item!r} is not name=ratio')
    return found


def values_of(host_state):
    """{metric: value} that the host reports."""
    return {metric['name']: metric['value'] for metric in host_state.metrics}


class MetricsWeigher(weights.BaseHostWeigher):
    """The sum of what the host measures, each times its ratio in [metrics]weight_setting."""

    def __init__(self):
        self._settings = settings()

    def applies(self, request):
        return bool(self._settings)

    def weight_multiplier(self, host_state=None):
        default = CONF.metrics.weight_multiplier
        return default if host_state is None else weights.utils.aggregate_number(
            host_state, 'metrics_weight_multiplier', default, float)

    def _weigh_object(self, host_state, weight_properties):
        values = values_of(host_state)
        total = 0.0
        for name, ratio in self._settings:
            if name in values:
                total += float(values[name]) * ratio
            elif CONF.metrics.required:
                raise MetricNotFound(host=host_state.host, name=name)
            else:
                return CONF.metrics.weight_of_unavailable
        return total
