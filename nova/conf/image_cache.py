# SPDX-License-Identifier: Apache-2.0
"""Copies of images on a compute host, from which disks are made."""

from oslo_config import cfg

GROUP = cfg.OptGroup('image_cache', title='Image cache', help='Copies of images that compute hosts keep.')

OPTS = [
    cfg.StrOpt('subdirectory_name', default='_base',
               help='Where the copies are, below instances_path. A name, not a path.'),
    cfg.IntOpt('manager_interval', default=2400, min=-1,
               help='Seconds between two cleanings of the cache. 0: the default of periodic tasks, 60. -1: it is never '
                    'cleaned.'),
    cfg.BoolOpt('remove_unused_base_images', default=True,
                help='Remove copies that no server on this host uses. False: they stay for ever.'),
    cfg.IntOpt('remove_unused_original_minimum_age_seconds', default=24 * 3600, min=0,
               help='How long (seconds) a copy stays when it is not used any more.'),
    cfg.IntOpt('remove_unused_resized_minimum_age_seconds', default=3600, min=0,
               help='The same for empty ephemeral and swap disks that are kept to be copied.'),
]
