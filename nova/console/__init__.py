# SPDX-License-Identifier: Apache-2.0
"""Consoles of guests, for their users."""
