# SPDX-License-Identifier: Apache-2.0
from nova.conf import CONF
from nova.scheduler import filters
from nova.scheduler.diagnosis import Refusal
from nova.scheduler.weights.metrics import settings, values_of


class MetricsFilter(filters.HostFilter):
    """The host reports every metric that [metrics]weight_setting weighs by."""

    run_filter_once_per_request = True

    def applies(self, request):
        return bool(CONF.metrics.weight_setting)

    def refuse(self, host, request):
        missing = sorted({name for name, _ratio in settings()} - set(values_of(host)))
        return Refusal('metrics', word=f'without the metrics {", ".join(missing)}') if missing else None
