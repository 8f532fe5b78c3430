# SPDX-License-Identifier: Apache-2.0
"""Which volumes there are, and those of a site without a volume service."""

from oslo_config import cfg

GROUP = cfg.OptGroup('volume', title='Volumes', help='Where volumes come from.')

OPTS = [
    cfg.StrOpt('backend', default='local', choices=[
        ('local', 'Files in a directory ([volume] store_path), for sites without a volume service'),
        ('cinder', 'The Block Storage service v3 that section [cinder] describes'),
    ], help='Which volume service is used. The same in every service of a site: what one has made the other does not '
            'know.'),
    cfg.StrOpt('store_path', default='$state_path/volumes',
               help='Directory of the volumes of the local backend. Where there are several hosts it is one that they '
                    'share: a volume is used where its file is.'),
    cfg.IntOpt('max_size_gb', default=16384, min=1, help='Largest volume (GiB) that may be created locally.'),
    cfg.IntOpt('creation_timeout', default=600, min=1,
               help='Seconds that a host waits until the volume service has made a volume for a server that boots from '
                    'it, or has written an image over it. Then the server fails, and a volume made for it is deleted.'),
]
