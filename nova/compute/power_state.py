# SPDX-License-Identifier: Apache-2.0
"""What the hypervisor says of a guest; the numbers are part of the API."""

from nova.virt.power_state import CRASHED, NOSTATE, PAUSED, RUNNING, SHUTDOWN, SUSPENDED  # noqa: F401
