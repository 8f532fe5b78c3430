# SPDX-License-Identifier: Apache-2.0
"""Guests under libvirt: what they run on, and what they get."""

from oslo_config import cfg

GROUP = cfg.OptGroup('libvirt', title='libvirt', help='The driver of hosts that run guests through libvirt.')

OPTS = [
    # The hypervisor
    cfg.StrOpt('virt_type', default='kvm', choices=[
        ('kvm', "Hardware virtualisation; needs /dev/kvm, open to the user that guests run as"),
        ('qemu', 'Emulation in software: runs anywhere, and is about ten times slower'),
    ], help='How guests are run.'),
    cfg.StrOpt('connection_uri', default='',
               help='URI of the libvirt daemon. Empty: qemu:///system. The daemon must be on this host, for it opens '
                    'the files that this service makes.'),
    cfg.IntOpt('keepalive_interval', default=5, min=1,
               help='Seconds between two looks whether the connection to libvirt is alive.'),
    cfg.IntOpt('keepalive_count', default=5, min=1,
               help='After so many looks without an answer the connection is taken for dead, and made anew.'),
    cfg.IntOpt('reconnect_interval', default=3, min=1,
               help='Seconds between attempts to reach a libvirt daemon that has gone.'),
    # What guests get
    cfg.StrOpt('cpu_mode', choices=[
        ('host-model', 'The named CPU that is nearest to that of the host, with its features'),
        ('host-passthrough', 'The CPU of the host as it is; guests move only between equal hosts'),
        ('custom', 'The models of `cpu_models`'),
        ('maximum', 'All that the emulator can do'),
        ('none', "The emulator's own default, a CPU of 2003 on x86_64"),
    ], help='CPU that guests see. Unset: host-model for virt_type kvm, maximum for qemu.'),
    cfg.ListOpt('cpu_models', default=[],
                help='CPU models for cpu_mode custom, by preference; the first is used. Each host of a cell that '
                     'guests move between needs one that all have.'),
    cfg.ListOpt('cpu_model_extra_flags', default=[],
                help='CPU features that guests get besides, or with a leading minus do not get (for example '
                     'pcid,-vmx). Not for cpu_mode none.'),
    cfg.ListOpt('hw_machine_type', default=[],
                help='Machine type of guests by architecture (for example x86_64=q35). An image may ask for another '
                     'with the property hw_machine_type. Unset: pc on x86, virt on ARM.'),
    cfg.IntOpt('num_pcie_ports', default=16, min=0, max=28,
               help='Free PCI Express ports of machine types that have such (q35): that many devices can be attached '
                    'to a running guest. 0: the one that libvirt adds.'),
    cfg.StrOpt('rng_dev_path', default='/dev/urandom',
               help='Where the random numbers come from that guests get from a virtio device. Empty: they get no such '
                    'device. A flavor withholds it with hw_rng:allowed=False.'),
    cfg.IntOpt('mem_stats_period_seconds', default=10, min=0,
               help='Seconds between two reports of a guest on its use of memory. 0: none.'),
    cfg.StrOpt('sysinfo_serial', default='unique', choices=[
        ('none', 'None'),
        ('os', "The host's /etc/machine-id"),
        ('hardware', "The uuid of the host's board, as libvirt knows it"),
        ('auto', 'The first of os and hardware that there is'),
        ('unique', "The server's own uuid"),
    ], help='Serial number of the machine that a guest reads from its SMBIOS tables.'),
    # Disks
    cfg.StrOpt('images_type', default='default', choices=[
        ('default', 'qcow2, or raw if use_cow_images is False'),
        ('qcow2', 'An overlay over the cached image: made in no time, and small'),
        ('raw', 'A full copy of the image'),
        ('flat', 'Another word for raw'),
    ], help='How the disks of servers are kept. A disk keeps the format that it was made with.'),
    cfg.ListOpt('disk_cachemodes', default=[],
                help='Cache mode of disks by kind (for example file=writeback). Kinds: file, block, network, mount. '
                     'Unset: none, or writethrough on file systems that cannot bypass the cache of the host.'),
    cfg.BoolOpt('hw_disk_discard', default=True,
                help='Let guests give back the space of what they delete.'),
    cfg.IntOpt('qemu_img_timeout', default=30, min=1,
               help='CPU seconds that looking at an image may take. A crafted image can make it take for ever.'),
    cfg.IntOpt('qemu_img_memory_mb', default=1024, min=256,
               help='Memory (MiB) that looking at an image may take.'),
    # Images of servers
    cfg.StrOpt('snapshots_directory', default='$instances_path/snapshots',
               help="Where images of servers' disks are put together before they are uploaded. It needs room for the "
                    'largest of them, and the user of the guests must be able to reach it.'),
    cfg.StrOpt('snapshot_image_format', choices=[
        ('raw', 'The disk byte by byte'),
        ('qcow2', 'Takes only the space of what was written'),
        ('vmdk', "VMware's format"),
        ('vdi', "VirtualBox's format"),
    ], help="Format of the images that are made of servers' disks. Unset: that of the disk."),
    # Power
    cfg.IntOpt('wait_soft_reboot_seconds', default=120, min=0,
               help='Seconds that a guest gets to shut down in a soft reboot before it is reset.'),
]
