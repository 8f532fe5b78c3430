# SPDX-License-Identifier: Apache-2.0
"""Orchestrations, one module each."""
