# SPDX-License-Identifier: Apache-2.0
"""The local disks of servers, whatever driver makes them."""

from oslo_config import cfg

GROUP = None

OPTS = [
    cfg.BoolOpt('use_cow_images', default=True,
                help='Make disks as overlays over the cached image (qcow2), so that a server starts at once and its '
                     'disk takes only what it writes. False: copy the image (raw).'),
    cfg.BoolOpt('force_raw_images', default=True,
                help='Keep images in the cache as raw disks, whatever their format. It is faster, takes more space, '
                     'and keeps what a guest-supplied format can do away from the running guest.'),
    cfg.StrOpt('preallocate_images', default='none', choices=[
        ('none', 'Disks take space as they fill'),
        ('space', ('All space of a disk is taken when it is made: a host whose disk is full refuses new servers '
                   'instead of stopping old ones')),
    ], help='When the space of a disk is taken from the host.'),
    cfg.StrOpt('default_ephemeral_format', choices=['ext2', 'ext3', 'ext4', 'xfs', 'vfat', 'ntfs'],
               help="File system that ephemeral disks are made with, where the user names none. Unset: vfat for images "
                    'with os_type=windows, else ext4.'),
    cfg.StrOpt('pointer_model', default='usbtablet', choices=[
        ('usbtablet', 'Follows the pointer of the console exactly'),
        ('ps2mouse', 'An ordinary mouse; a guest without graphics wakes the host less often'),
    ], help='Pointing device of guests with a screen; an image may ask for the other with hw_pointer_model.'),
]
