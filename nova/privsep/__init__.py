# SPDX-License-Identifier: Apache-2.0
"""What needs root, by name.

Every privileged action of the services is a function of a module in here, marked with `sys_admin_pctxt.entrypoint`.  It
takes plain values, checks them as if the caller were hostile, and does one thing.  Nothing else asks for root.

A service that is root already calls these functions directly.  Any other one starts a helper process through sudo at
the first call (section [nova_sys_admin]: `helper_command`, `capabilities`), and calls them there.
"""

import os

# First: it says how the green library is loaded, which oslo.privsep does.
from nova import concurrency  # noqa: F401

# isort: split
from oslo_privsep import capabilities, priv_context

sys_admin_pctxt = priv_context.PrivContext(
    'nova',
    cfg_section='nova_sys_admin',
    pypath=__name__ + '.sys_admin_pctxt',
    capabilities=[capabilities.CAP_CHOWN, capabilities.CAP_DAC_OVERRIDE, capabilities.CAP_DAC_READ_SEARCH,
                  capabilities.CAP_FOWNER, capabilities.CAP_KILL, capabilities.CAP_NET_ADMIN, capabilities.CAP_NET_RAW,
                  # Old file servers let only low ports mount.
                  capabilities.CAP_NET_BIND_SERVICE, capabilities.CAP_SYS_ADMIN],
)

if os.geteuid() == 0:
    sys_admin_pctxt.set_client_mode(False)
