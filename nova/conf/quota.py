# SPDX-License-Identifier: Apache-2.0
"""Default limits of a project."""

from oslo_config import cfg

GROUP = cfg.OptGroup('quota', title='Default quotas',
                     help='Limits of projects that have none of their own. -1 means no limit.')


def _limit(name, default, what):
    return cfg.IntOpt(name, default=default, min=-1, help=f'{what}. -1 means no limit.')


OPTS = [
    _limit('instances', 10, 'Servers of a project'),
    _limit('cores', 20, 'Virtual CPUs of all servers of a project'),
    _limit('ram', 50 * 1024, 'Memory (MiB) of all servers of a project'),
    _limit('floating_ips', 10, 'Floating addresses of a project'),
    _limit('fixed_ips', -1, 'Fixed addresses of a project'),
    _limit('metadata_items', 128, 'Metadata items of one server'),
    _limit('injected_files', 5, 'Files injected into one server'),
    _limit('injected_file_content_bytes', 10 * 1024, 'Bytes of one injected file'),
    _limit('injected_file_path_length', 255, 'Bytes of the path of one injected file'),
    _limit('security_groups', 10, 'Security groups of a project'),
    _limit('security_group_rules', 20, 'Rules of one security group'),
    _limit('key_pairs', 100, 'Key pairs of a user'),
    _limit('server_groups', 10, 'Server groups of a project'),
    _limit('server_group_members', 10, 'Servers in one server group'),
]
