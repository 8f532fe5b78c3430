# SPDX-License-Identifier: Apache-2.0
"""Which RPC version may be spoken to services that are not upgraded yet."""

from oslo_config import cfg

GROUP = cfg.OptGroup('upgrade_levels', title='Upgrade levels',
                     help='Pins of RPC versions during an upgrade. Unset: the newest. `auto`: the newest that all '
                          'running services of that kind understand, found from their records at start and on SIGHUP. '
                          'A number (`6.1`) or the name of a release: that one.')


def _pin(service):
    return cfg.StrOpt(service, help=f'RPC version that is spoken to nova-{service}.')


OPTS = [_pin(service) for service in ('compute', 'conductor', 'scheduler', 'network')]
