# SPDX-License-Identifier: Apache-2.0
"""Security groups: what a rule may say (`rules`), and what users do with groups (`api`).

What a group's rules are to the packet filter is `nova.network.nft`.
"""
