# SPDX-License-Identifier: Apache-2.0
"""The commands: parse, configure, start.  No logic."""

import gc

# A start makes a hundred thousand objects that stay.  At the default of 700 the collector goes through them, and finds
# nothing, for a tenth of the time that the start takes.
gc.set_threshold(20_000, 10, 10)
