# SPDX-License-Identifier: Apache-2.0
"""What servers are told about themselves: one source for the metadata service and the config drive."""
