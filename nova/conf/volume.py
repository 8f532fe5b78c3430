# SPDX-License-Identifier: Apache-2.0
"""Volumes where there is no volume service."""

from oslo_config import cfg

GROUP = cfg.OptGroup('volume', title='Volumes', help='Volumes of the local store: files in a directory.')

OPTS = [
    cfg.StrOpt('store_path', default='$state_path/volumes',
               help='Directory of the volumes. Where there are several hosts it is one that they share: a volume is '
                    'used where its file is.'),
    cfg.IntOpt('max_size_gb', default=16384, min=1, help='Largest volume (GiB) that may be created.'),
]
