# SPDX-License-Identifier: Apache-2.0
"""Message transports of our own.  `local` is the one of `nova-all`: the wire's rules without a wire."""
