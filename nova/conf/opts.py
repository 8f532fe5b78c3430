# SPDX-License-Identifier: Apache-2.0
"""Entry point of the sample generator (`oslo.config.opts`)."""

from nova import conf


def list_opts():
    """[(group or 'DEFAULT', options)], as oslo-config-generator wants them."""
    by_group = {}
    for module in conf.modules():
        group = getattr(module, 'GROUP', None)
        more = [option for name in ('late_opts', 'sample_opts') if hasattr(module, name)
                for option in getattr(module, name)()]
        by_group.setdefault(group.name if group else 'DEFAULT', []).extend([*module.OPTS, *more])
    return list(by_group.items())
