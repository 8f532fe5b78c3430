# SPDX-License-Identifier: Apache-2.0
"""The libvirt driver on real guests.

`test_libvirt` and `test_libvirt_linux` each start a hypervisor host in namespaces, and run the modules `guests_…`
inside of it, in a process with green threads as nova-compute is one.
"""
