# SPDX-License-Identifier: Apache-2.0
"""What a hypervisor says of a guest.

The numbers are on the wire and in the API (`OS-EXT-STS:power_state`): they never change.  2 and 5 were used for states
that no hypervisor has, and stay free.
"""

NOSTATE = 0x00
RUNNING = 0x01
PAUSED = 0x03
SHUTDOWN = 0x04  # powered off, and defined: it can be powered on
CRASHED = 0x06
SUSPENDED = 0x07  # its memory is on disk

STATE_MAP = {
    NOSTATE: 'pending',
    RUNNING: 'running',
    PAUSED: 'paused',
    SHUTDOWN: 'shutdown',
    CRASHED: 'crashed',
    SUSPENDED: 'suspended',
}
