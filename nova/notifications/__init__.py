# SPDX-License-Identifier: Apache-2.0
"""Messages about what happens, for billing, inventories and audits.

`table` says what is told, `tell` and `servers` tell it, `outbox` sends it.
"""

from nova.notifications.faces import (  # noqa: F401  the names that the module reference has
    audit_period_bounds,
    bandwidth_usage,
    image_meta,
    info_from_instance,
    notify_decorator,
    send_api_fault,
    send_update,
    send_update_with_states,
)
