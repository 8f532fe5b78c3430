# SPDX-License-Identifier: Apache-2.0
"""The metadata service: servers ask 169.254.169.254 about themselves."""
