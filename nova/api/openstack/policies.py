# SPDX-License-Identifier: Apache-2.0
"""Entry points of oslo.policy's tools: every rule there is.

Rules stand beside the routes that they guard, so the routes are loaded first; nova.policy itself knows none of them.
"""

from nova import policy
from nova.api.openstack import wsgi


def list_rules():
    """Every rule with its default (`oslo.policy.policies`)."""
    wsgi.table()
    return policy.list_rules()


def get_enforcer():
    """The enforcer with all rules registered (`oslo.policy.enforcer`)."""
    wsgi.table()
    return policy.get_enforcer()
