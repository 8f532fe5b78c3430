# SPDX-License-Identifier: Apache-2.0
"""Weighing hosts by what their monitors measure."""

from oslo_config import cfg

GROUP = cfg.OptGroup('metrics', title='Host metrics',
                     help='What the weigher MetricsWeigher makes of the metrics that hosts report.')

OPTS = [
    cfg.FloatOpt('weight_multiplier', default=1.0, help='How much the metrics count among the weighers.'),
    cfg.ListOpt('weight_setting', default=[],
                help='Metrics to weigh by, as name=ratio, for example cpu.user.time=-1.0. The weight of a host is the '
                     'sum of each metric times its ratio. Empty: metrics count nothing.'),
    cfg.BoolOpt('required', default=True,
                help='A host that does not report one of the metrics stops the request with an error. Enable '
                     'MetricsFilter to pass over such hosts instead, or turn this off to give them '
                     'weight_of_unavailable.'),
    cfg.FloatOpt('weight_of_unavailable', default=-10000.0,
                 help='Weight of a host that does not report one of the metrics, where they are not required.'),
]
