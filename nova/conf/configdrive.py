# SPDX-License-Identifier: Apache-2.0
"""The config drive: a small disk with the metadata of a server."""

from oslo_config import cfg

GROUP = None

OPTS = [
    cfg.StrOpt('config_drive_format', default='iso9660', choices=[
        ('iso9660', 'A CD-ROM; what every guest reads'),
        ('vfat', 'A disk of 64 MiB; it can be live-migrated without shared storage'),
    ], help='Format of new config drives. A config drive keeps the format that it was made with.'),
    cfg.BoolOpt('force_config_drive', default=False,
                help='Give every new server a config drive. Otherwise those whose user or image asks for one have it.'),
    cfg.StrOpt('mkisofs_cmd', default='genisoimage',
               help='Program that makes ISO 9660 images: genisoimage, or another that takes its options (mkisofs).'),
]
