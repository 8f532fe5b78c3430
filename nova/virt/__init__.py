# SPDX-License-Identifier: Apache-2.0
"""Hypervisors: the contract of a driver, and the drivers.

Nothing here knows of the database, the API or the compute manager: a driver is handed objects and answers with plain
values and exceptions.
"""
