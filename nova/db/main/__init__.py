# SPDX-License-Identifier: Apache-2.0
"""Tables of a cell: servers, hosts, networks, and what is done with them."""
