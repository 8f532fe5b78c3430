# SPDX-License-Identifier: Apache-2.0
"""PCI devices that guests get to themselves: which a host offers, and which a flavor asks for."""
