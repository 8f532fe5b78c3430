# SPDX-License-Identifier: Apache-2.0
"""Where images come from, and what is taken."""

from oslo_config import cfg

GROUP = cfg.OptGroup('image', title='Images', help='The image store, and the limits of what it takes.')

OPTS = [
    cfg.StrOpt('backend', default='local', choices=[
        ('local', 'Files in a directory of this machine ([image] store_path)'),
        ('glance', 'The Image service v2 that section [glance] describes'),
    ], help='Which image service is used. A compute host that does not share the directory of the local store uses '
            'glance, with the /image front door of the API as its endpoint.'),
    cfg.StrOpt('store_path', default='$state_path/images',
               help='Directory of the local store. Each image is one file, with its properties beside it in JSON. '
                    'Every process that uses the store sees the same directory.'),
    cfg.IntOpt('max_size_gb', default=1024, min=1,
               help='Largest image file (GiB) that is taken, whatever its format. An upload that grows past it is cut '
                    'off and its data is removed.'),
    cfg.IntOpt('max_virtual_size_gb', default=2048, min=1,
               help='Largest disk (GiB) that an image may describe. A small file can claim a disk of any size: such an '
                    'image is refused when it is uploaded, and again when a host fetches it.'),
]
