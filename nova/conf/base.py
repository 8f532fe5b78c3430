# SPDX-License-Identifier: Apache-2.0
"""Where this machine keeps things, and what it is called."""

import os
import socket

from oslo_config import cfg

GROUP = None


def _state_path():
    if os.geteuid() == 0:
        return '/var/lib/nova'
    return os.path.join(os.environ.get('XDG_STATE_HOME') or os.path.expanduser('~/.local/state'), 'nova')


def _my_ip():
    """The address other machines would see; loopback where there is no route.  Nothing is sent."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(('192.0.2.1', 9))
            return probe.getsockname()[0]
    except OSError:
        return '127.0.0.1'


OPTS = [
    cfg.StrOpt('state_path', default=_state_path(), sample_default='/var/lib/nova',
               help='Directory for everything this service keeps on disk. Other paths default to places below it.'),
    cfg.HostAddressOpt('my_ip', default=_my_ip(), sample_default='<address of this host>',
                       help='Address of this host on the management network, told to other services and hosts.'),
    cfg.StrOpt('host', default=socket.gethostname(), sample_default='<host name>',
               help='Name of this host in service records, messages and scheduling. It need not resolve. Changing it '
                    'makes this a different host: the servers recorded on the old one are not found any more.'),
    cfg.StrOpt('instances_path', default='$state_path/instances',
               help='Directory of the disks and files of servers on this host.'),
    cfg.StrOpt('instance_name_template', default='instance-%08x',
               help='Name of a server on its hypervisor, made from its number. Must hold one %-format for an integer.'),
    cfg.StrOpt('api_paste_config', default='api-paste.ini',
               help='Paste file of the API. A relative name is looked for beside the configuration file, in /etc/nova, '
                    'and in the etc/nova of the source tree.'),
    cfg.StrOpt('default_availability_zone', default='nova',
               help='Availability zone of a compute host that no aggregate puts into another.'),
    cfg.StrOpt('internal_service_availability_zone', default='internal',
               help='Availability zone shown for services that run no servers.'),
    cfg.StrOpt('default_schedule_zone',
               help='Availability zone of a server whose user asked for none. Unset: any zone.'),
    cfg.StrOpt('dhcp_domain', default='novalocal',
               help='Domain appended to host names in metadata and DHCP. Empty: host names stay bare.'),
]
