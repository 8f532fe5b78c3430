# SPDX-License-Identifier: Apache-2.0
"""Orchestration, the door to the database for hosts that have none, and the janitor of interrupted operations."""
