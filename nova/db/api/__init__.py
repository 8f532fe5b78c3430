# SPDX-License-Identifier: Apache-2.0
"""Global tables: flavors, key pairs, quotas, aggregates, groups, and which server is in which cell."""
