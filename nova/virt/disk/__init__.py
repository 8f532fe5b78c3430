# SPDX-License-Identifier: Apache-2.0
"""What is on the empty disks that servers get: file systems and swap space."""
