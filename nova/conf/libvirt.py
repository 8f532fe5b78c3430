# SPDX-License-Identifier: Apache-2.0
"""Guests under libvirt: what they run on, and what they get."""

from oslo_config import cfg

GROUP = cfg.OptGroup('libvirt', title='libvirt', help='The driver of hosts that run guests through libvirt.')

OPTS = [
    # The hypervisor
    cfg.StrOpt('virt_type', default='kvm', choices=[
        ('kvm', "Hardware virtualisation; needs /dev/kvm, open to the user that guests run as"),
        ('qemu', 'Emulation in software: runs anywhere, and is about ten times slower'),
        ('lxc', ("Containers: processes of the host's kernel. Root in one is root on the host: for users who are "
                'trusted')),
    ], help='How guests are run.'),
    cfg.StrOpt('connection_uri', default='',
               help='URI of the libvirt daemon. Empty: qemu:///system, for virt_type lxc lxc:///system. The daemon '
                    'must be on this host, for it opens the files that this service makes.'),
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
                help='CPU models for cpu_mode custom, by preference; the first is used that has the CPU features which '
                     'a server requires by traits. Each host of a cell that guests move between needs one that all '
                     'have.'),
    cfg.ListOpt('cpu_model_extra_flags', default=[],
                help='CPU features that guests get besides, or with a leading minus do not get (for example '
                     'pcid,-vmx). Not for cpu_mode none.'),
    cfg.BoolOpt('swtpm_enabled', default=False,
                help='Guests may have a trusted platform module (hw:tpm_version); needs the programs of swtpm. Its '
                     'state is on the disk of the host, not encrypted, and moves with the guest.'),
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
        ('lvm', 'A logical volume of images_volume_group; such disks stay on their host'),
    ], help='How the disks of servers are kept. A disk keeps the kind that it was made with.'),
    cfg.StrOpt('images_volume_group',
               help='Volume group of this host, and of no other, for the disks of servers. images_type lvm needs it.'),
    cfg.BoolOpt('sparse_logical_volumes', default=False,
                help='Logical volumes take space when guests write to them, each from a thin pool of its own, which '
                     'begins with 64 MiB: lvm.conf must let it grow (thin_pool_autoextend_threshold). They may promise '
                     'more than the volume group has.'),
    cfg.StrOpt('volume_clear', default='zero', choices=[
        ('zero', 'Zeros are written over it'),
        ('shred', 'Noise is written over it, three times'),
        ('none', 'Nothing: a later server may read what is left'),
    ], help='What happens to the content of a logical volume before it is removed. Sparse ones need nothing.'),
    cfg.IntOpt('volume_clear_size', default=0, min=0,
               help='So much (MiB) at the beginning of a logical volume is cleared. 0: all of it.'),
    cfg.ListOpt('disk_cachemodes', default=[],
                help='Cache mode of disks by kind (for example file=writeback). Kinds: file, block, network, mount. '
                     'Unset: none, or writeback on file systems that cannot bypass the cache of the host.'),
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
    # Shares
    cfg.StrOpt('nfs_mount_point_base', default='$state_path/mnt',
               help='Directory below which this host mounts exports of NFS, each in a directory of its own: the shares '
                    'of its servers.'),
    cfg.StrOpt('nfs_mount_options',
               help='Options for the mounts of NFS, as mount(8) has them (for example vers=4.2,soft). nosuid and nodev '
                    'are added.'),
    cfg.StrOpt('ceph_mount_point_base', default='$state_path/mnt',
               help='The same directory for shares of CephFS.'),
    cfg.ListOpt('ceph_mount_options', default=[],
                help='Options for the mounts of CephFS, as mount.ceph(8) has them (for example '
                     'secretfile=/etc/ceph/nova.secret). The user is [manila]cephx_user; nosuid and nodev are added.'),
    # Volumes
    cfg.StrOpt('rbd_user', help='User of Ceph as which guests open volumes. Unset: the one that the volume service '
                                'names.'),
    cfg.StrOpt('rbd_secret_uuid', help="UUID of the libvirt secret with that user's key. Unset: the one that the "
                                       'volume service names.'),
    cfg.BoolOpt('volume_use_multipath', default=False,
                help='Connect to volumes over all paths that there are, which needs multipathd on this host.'),
    cfg.IntOpt('num_volume_scan_tries', default=5, min=1,
               help='How many times this host looks for the device of a volume that it was connected to.'),
    # Moving
    cfg.StrOpt('remote_filesystem_transport', default='libvirt', choices=[
        ('libvirt', "The disks travel over the connection to the other host's libvirt daemon, like live migrations do"),
    ], help='How the disks of a server that is off get to another host. All hosts have the same instances_path.'),
    cfg.StrOpt('live_migration_uri', default='',
               help='URI by which other hosts of the cell reach libvirt on a host; %s stands for its address (for '
                    'example qemu+tls://%s/system). Empty: made of live_migration_scheme.'),
    cfg.StrOpt('live_migration_scheme', default='tcp', choices=[
        ('tcp', 'Unencrypted, with authentication as libvirt on the hosts is configured'),
        ('tls', 'Both sides show certificates'),
        ('ssh', "As the user of nova-compute, with that user's keys"),
    ], help='How hosts connect to each other\'s libvirt where live_migration_uri does not say.'),
    cfg.StrOpt('live_migration_inbound_addr',
               help='Address of this host for the memory and disks of guests that come in live. Unset: the name of the '
                    'host, which others resolve, for the connection of libvirt, and what libvirt itself chooses for '
                    'the data.'),
    cfg.BoolOpt('live_migration_tunnelled', default=False,
                help='Send the memory of guests through the connection of libvirt, encrypted if that is. Slower; not '
                     'for guests whose disks have to be copied.'),
    cfg.BoolOpt('live_migration_with_native_tls', default=False,
                help='QEMU encrypts memory and disks itself. Both hosts need certificates for QEMU.'),
    cfg.IntOpt('live_migration_bandwidth', default=0, min=0,
               help='MiB/s that a live migration may take. 0: no limit.'),
    cfg.IntOpt('live_migration_downtime', default=500, min=100,
               help='Milliseconds that a guest may stand still at the end of a live migration.'),
    cfg.IntOpt('live_migration_downtime_steps', default=10, min=3,
               help='In so many steps the allowed downtime rises to its maximum.'),
    cfg.IntOpt('live_migration_downtime_delay', default=75, min=3,
               help='Seconds between two steps, for each GiB of memory and disk (at least 2).'),
    cfg.IntOpt('live_migration_completion_timeout', default=800, min=0,
               help='Seconds that a live migration may take, for each GiB of memory and disk (at least 2). 0: for '
                    'ever.'),
    cfg.StrOpt('live_migration_timeout_action', default='abort', choices=[
        ('abort', 'It is given up; the guest stays'),
        ('force_complete', 'The guest is paused, or switched to post-copy where that is permitted'),
    ], help='What happens after live_migration_completion_timeout.'),
    cfg.BoolOpt('live_migration_permit_post_copy', default=False,
                help='A live migration that does not come to an end may go on with the guest running at the '
                     'destination already. If the network fails then, the guest is lost.'),
    cfg.BoolOpt('live_migration_permit_auto_converge', default=False,
                help='Slow down a guest that changes its memory faster than it can be sent.'),
    # Power
    cfg.IntOpt('wait_soft_reboot_seconds', default=120, min=0,
               help='Seconds that a guest gets to shut down in a soft reboot before it is reset.'),
]
