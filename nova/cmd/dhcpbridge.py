# SPDX-License-Identifier: Apache-2.0
"""nova-dhcpbridge: dnsmasq tells us of its leases.

    nova-dhcpbridge add|old|del <MAC> <address> [<host name>]
    nova-dhcpbridge init                                        (prints the leases, for dnsmasq without a file of them)

It runs for each lease, so it loads nothing but Python's own library and talks to nova-network on this host alone.
"""

import os
import socket
import sys

ACTIONS = ('add', 'old', 'del')


def _own_directory():
    """Where nova-network keeps its files, when dnsmasq was not started by it."""
    return os.path.join(os.environ.get('NOVA_STATE_PATH', '/var/lib/nova'), 'networks')


def report(arguments, path):
    """Send a report to nova-network; whether it was there to take it.  Without it nothing is lost: when it starts it
    compares the leases with its records.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.settimeout(2)
        try:
            sender.sendto(' '.join(arguments).encode(), path)
        except OSError:
            return False
    return True


def leases(directory):
    """The lines of all lease files of nova-network."""
    if not os.path.isdir(directory):
        return
    for name in sorted(os.listdir(directory)):
        if name.endswith('.leases'):
            with open(os.path.join(directory, name)) as file:
                yield from file


def main(argv=None):
    argv = sys.argv[1:] if argv is None else argv
    path = os.environ.get('NOVA_DHCP_SOCKET') or os.path.join(_own_directory(), 'leases.sock')
    if argv[:1] == ['init']:
        sys.stdout.writelines(leases(os.path.dirname(path)))
        return 0
    if not argv or argv[0] in ('-h', '--help'):
        sys.stdout.write(__doc__.strip() + '\n')
        return 0
    if argv[0] in ACTIONS and len(argv) >= 3:
        report(argv, path)
        return 0
    # dnsmasq adds kinds of events (tftp, arp, …): what is not ours is no error.
    return 0


if __name__ == '__main__':
    sys.exit(main())
