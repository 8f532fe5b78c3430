# SPDX-License-Identifier: Apache-2.0
"""What `tools/testbed` is made of: one control plane and several compute hosts in namespaces, on one machine.

`bed` builds and removes the whole, `hosts` and `wires` are its machines and cables, `services` its daemons, `servers`
the databases and the broker, `config` the files that daemons and clients read, `inventory` compares a machine before
and after.  All that is known of a bed is in one JSON file (`state`); every command starts from that.
"""

import pathlib

#: Top of the source tree.
TREE = pathlib.Path(__file__).resolve().parents[3]
