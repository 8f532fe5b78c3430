# SPDX-License-Identifier: Apache-2.0
"""Which host takes a server: chosen from memory, claimed in the database, explained to whoever asks.

A request goes through `manager` (RPC), `selection` (filter, weigh, choose) over the states that `host_manager` keeps,
and `claims`.  What refused it is in a `diagnosis`.  Filters and weighers are plug-ins: a file each.
"""
