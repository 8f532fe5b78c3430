# SPDX-License-Identifier: Apache-2.0
"""Asking for servers: what is looked at before anything exists, and what is recorded (design section 5, 1 and 2)."""

import base64
import dataclasses
import re
import uuid as uuidlib

from oslo_utils import timeutils, uuidutils

from nova import exception, numa, objects
from nova.compute import block_devices, keypairs, lookup, records, task_states, vm_states, volume_images
from nova.conf import CONF
from nova.notifications import servers as notifications
from nova.objects import base
from nova.pci import devices as pci
from nova.virt import hardware, shapes

GIB = 1024 ** 3


@dataclasses.dataclass
class Request:
    """Servers as asked for, already validated by schema.

    `networks` is a NetworkRequestList or None; `hints` maps names to what the user gave; `forced_host`/`forced_node`
    bypass the scheduler's filters, `host`/`node` do not.
    """

    name: str
    flavor: str
    image: str = ''
    networks: object = None
    least: int = 1
    most: int = 1
    metadata: dict = dataclasses.field(default_factory=dict)
    security_groups: list = dataclasses.field(default_factory=list)
    admin_password: str | None = None
    key_name: str | None = None
    availability_zone: str | None = None
    forced_host: str | None = None
    forced_node: str | None = None
    host: str | None = None
    node: str | None = None
    user_data: str | None = None
    config_drive: bool = False
    injected_files: list = dataclasses.field(default_factory=list)
    auto_disk_config: bool | None = None
    access_ip_v4: str | None = None
    access_ip_v6: str | None = None
    description: str | None = None
    hostname: str | None = None
    tags: list = dataclasses.field(default_factory=list)
    trusted_certs: list | None = None
    block_devices: list = dataclasses.field(default_factory=list)
    hints: dict = dataclasses.field(default_factory=dict)
    reservation_id: str | None = None


@dataclasses.dataclass
class Plan:
    """What the checks found out.  `request` has the disks that its image names."""

    request: Request
    flavor: object
    image: object
    key_pair: object
    group: object
    most: int
    #: (of the project, of the user)
    limits: tuple


def check(api, context, request):
    """Look at the world; reads only.

    Raises FlavorNotFound, FlavorDisabled, ImageNotFound, ImageNotActive, FlavorMemoryTooSmall,
    FlavorDiskSmallerThanImage, FlavorDiskSmallerThanMinDisk, KeypairNotFound, InvalidInput, InvalidBDM,
    MetadataLimitExceeded, OnsetFileLimitExceeded, NetworkNotFound, NetworkAmbiguous, SecurityGroupNotFound,
    InstanceGroupNotFound, NumaInvalid, PciInvalid, PciRequestAliasNotDefined, ComputeHostNotFound, QuotaError.
    """
    if request.least > request.most:
        raise exception.InvalidInput(reason=f'min_count: {request.least} must not be more than max_count '
                                            f'{request.most}')
    with base.reading_globals(context):
        flavor = objects.Flavor.get_by_flavor_id(context, request.flavor)
        limits, *server_limits = objects.Quotas.server_limits(context, context.project_id, context.user_id)
    if flavor.disabled:
        raise exception.FlavorNotFound(flavor_id=request.flavor)
    found = api.image.get(context, request.image) if request.image else None
    devices = volume_images.devices_of(found) if found is not None else []
    if devices:
        request = dataclasses.replace(request, image='', block_devices=volume_images.merged(
            devices, request.block_devices))
    _check_disks(api, context, request, flavor)
    image = _check_image(api, context, request, flavor, found)
    check_hardware(flavor, image)
    _check_user_data(request)
    check_items(request.metadata, request.injected_files, limits)
    key_pair = (objects.KeyPair.get_by_name(context, context.user_id, request.key_name)
                if request.key_name else None)
    most = _check_networks(api, context, request)
    group = _check_hints(context, request)
    _check_destination(context, request)
    return Plan(request, flavor, image, key_pair, group, most, server_limits)


def _check_disks(api, context, request, flavor):
    """Raises InvalidBDM, InvalidVolume, VolumeNotFound, SnapshotNotFound."""
    for disk in block_devices.of_request(flavor, request.image, request.block_devices):
        if disk['volume_id']:
            found = api.volume.get(context, disk['volume_id'])
            if found.status != 'available' and not found.multiattach:
                raise exception.InvalidBDM(reason=f'volume {found.id} is {found.status}, and must be available')
            if disk['boot_index'] in (0, '0') and not found.bootable:
                raise exception.InvalidBDM(reason=f'volume {found.id} is not bootable')
            api.volume.require_zone(found, request.availability_zone)
        elif disk['snapshot_id']:
            api.volume.get_snapshot(context, disk['snapshot_id'])
        if disk['volume_type'] and not api.volume.has_type(context, disk['volume_type']):
            raise exception.InvalidBDM(reason=f'volume_type: there is no type {disk["volume_type"]}')


def _check_image(api, context, request, flavor, found):
    """:param found: the record of the image that was asked for, or None."""
    if not request.image and found is not None:
        return check_image(found, found['id'], _without_disk(flavor))
    if not request.image:
        if not any(bdm.get('boot_index') in (0, '0') for bdm in request.block_devices):
            raise exception.InvalidInput(reason='imageRef: an image, or a block device with boot_index 0, is needed '
                                                'to boot from')
        return _image_of_root(api, context, request, flavor)
    image = check_image(found, request.image, flavor)
    check_disk_config(image, request.image, request.auto_disk_config)
    return image


def check_disk_config(image, image_id, wanted):
    """Raises InvalidInput where AUTO is wanted and the image forbids it."""
    if wanted and image.properties.get('auto_disk_config', '').lower() in ('disabled', 'false', 'no'):
        raise exception.InvalidInput(reason=f'OS-DCF:diskConfig: image {image_id} forbids AUTO')


def _image_of_root(api, context, request, flavor):
    """What is known of the system on the volume that the server boots from."""
    root = next(bdm for bdm in request.block_devices if bdm.get('boot_index') in (0, '0'))
    reference = root.get('uuid') or root.get('image_id') or root.get('volume_id') or root.get('snapshot_id')
    if root.get('source_type') == 'image':
        found = api.image.get(context, reference)
        return check_image(found, reference, _without_disk(flavor))
    if root.get('source_type') == 'volume':
        volume = api.volume.get(context, reference)
        return objects.ImageMeta.from_dict({'properties': {
            key.removeprefix('image_'): value for key, value in (volume.image_metadata or {}).items()
            if key not in _IMAGE_FIELDS}})
    return objects.ImageMeta.from_dict({})


#: Of what a volume knows of its image: what is no property.
_IMAGE_FIELDS = tuple(f'image_{name}' for name in (
    'container_format', 'disk_format', 'min_ram', 'min_disk', 'size', 'name', 'base_image_ref'))


def _without_disk(flavor):
    """The flavor for an image whose disk is a volume."""
    flavor = flavor.obj_clone()
    flavor.trust('root_gb', 0)
    return flavor


def check_image(found, image_id, flavor):
    """The metadata of an image that fits a flavor.

    :param found: its record.
    Raises ImageNotActive, FlavorMemoryTooSmall, FlavorDiskSmallerThanImage, FlavorDiskSmallerThanMinDisk.
    """
    if (found.get('status') or 'active').lower() != 'active':
        raise exception.ImageNotActive(image_id=image_id)
    image = objects.ImageMeta.from_dict(found)
    if flavor.memory_mb < image.min_ram:
        raise exception.FlavorMemoryTooSmall()
    if flavor.root_gb:
        room = flavor.root_gb * GIB
        needs = found.get('virtual_size') or (found.get('size') or 0)
        if needs > room:
            raise exception.FlavorDiskSmallerThanImage(flavor_size=room, image_size=needs)
        if image.min_disk * GIB > room:
            raise exception.FlavorDiskSmallerThanMinDisk(flavor_size=room, image_min_disk=image.min_disk * GIB)
    return image


def check_hardware(flavor, image):
    """(NUMA constraints, PCI requests) of a flavor with an image.  Raises ShapeInvalid, NumaInvalid, PciInvalid and
    their kin."""
    specs, properties = flavor.extra_specs or {}, (image.properties if image is not None else None) or {}
    shapes.check(specs, properties)
    hardware.cpu_topology(flavor.vcpus, specs, properties)
    return numa.constraints(specs, properties, flavor.vcpus, flavor.memory_mb), pci.requests_of(specs, properties)


def _check_user_data(request):
    if request.user_data:
        try:
            base64.b64decode(request.user_data)
        except ValueError as exc:
            raise exception.InvalidInput(reason='user_data: is not base64') from exc


def check_items(metadata, given_files, limits):
    """Raises MetadataLimitExceeded, OnsetFileLimitExceeded."""
    if 0 <= limits['metadata_items'] < len(metadata):
        raise exception.MetadataLimitExceeded(allowed=limits['metadata_items'])
    files = [(path, content) for path, content in block_devices.injected_files(given_files)]
    checks = (('injected_files', len(files)),
              ('injected_file_path_bytes', max((len(path.encode()) for path, _ in files), default=0)),
              ('injected_file_content_bytes', max((len(content) for _, content in files), default=0)))
    for resource, amount in checks:
        if 0 <= limits[resource] < amount:
            raise exception.OnsetFileLimitExceeded(f'personality: {amount} exceeds the limit of {limits[resource]} '
                                                   f'{resource}')


def _check_networks(api, context, request):
    if request.networks is not None and request.networks.no_allocate:
        if request.security_groups:
            objects.SecurityGroupList.get_by_names(context, context.project_id, request.security_groups)
        return request.most
    return api.network.validate_networks(context, request.networks, request.most, request.security_groups)


def _check_hints(context, request):
    group = request.hints.get('group')
    group = group[0] if isinstance(group, list) and group else group
    if not group:
        return None
    if not uuidutils.is_uuid_like(group):
        raise exception.InvalidInput(reason=f'group: {group} is not the UUID of a server group')
    try:
        return objects.InstanceGroup.get_by_uuid(context, group)
    except exception.InstanceGroupNotFound as exc:
        raise exception.InvalidInput(reason=f'group: server group {group} could not be found') from exc


def _check_destination(context, request):
    """A host or node that is asked for is one of some cell; whether it may be had is the scheduler's to say."""
    def ask(in_cell):
        nodes = (objects.ComputeNodeList.get_by_host(in_cell, request.host) if request.host
                 else objects.ComputeNodeList.get_by_hypervisor(in_cell, request.node))
        if not any(request.node in (None, node.hypervisor_hostname) for node in nodes):
            raise exception.ComputeHostNotFound(host=':'.join(filter(None, (request.host, request.node))))
        return True

    if request.host:
        with objects.cell.of_host(context, request.host) as in_cell:
            ask(in_cell)
    elif request.node:
        lookup.find(context, ask)


# Recording -----------------------------------------------------------------------------------------------------------

def record(context, plan):
    """Write the servers and their orders; returns (servers, action ids).  Raises TooManyInstances."""
    request = plan.request
    spec = _request_spec(context, request, plan)
    reservation_id = request.reservation_id or new_reservation_id()
    cell_rows, api_rows = [], []
    for index in range(plan.most):
        values = _instance_values(context, request, plan, index, reservation_id)
        spec.instance_uuid = values['uuid']
        primitive = spec.obj_to_primitive()
        bdms = [{**row, 'instance_uuid': values['uuid']}
                for row in block_devices.of_request(plan.flavor, request.image, request.block_devices)]
        order = {'binary': 'nova-conductor', 'host': None, 'method': 'schedule_and_build_instances',
                 'args': {'request_spec': primitive, 'admin_password': request.admin_password,
                          'injected_files': request.injected_files,
                          'requested_networks': request.networks.obj_to_primitive() if request.networks is not None
                          else None}}
        cell_rows.append((values, bdms, request.tags, order))
        api_rows.append(({'instance_uuid': values['uuid'], 'project_id': context.project_id,
                          'user_id': context.user_id, 'cores': plan.flavor.vcpus, 'ram': plan.flavor.memory_mb},
                         primitive))
    made = records.insert_servers(context, cell_rows, api_rows, {
        'project_id': context.project_id, 'user_id': context.user_id, 'least': request.least, 'limits': plan.limits,
        'deltas': {'cores': plan.flavor.vcpus, 'ram': plan.flavor.memory_mb},
        'group_id': plan.group.id if plan.group is not None else None})
    servers = [objects.Instance.from_row(context, values, tags=list(request.tags), volumes=[])
               for values, _id in made]
    notifications.made(context, servers, plan.group)
    return servers, [action_id for _values, action_id in made]


def new_reservation_id():
    return 'r-' + uuidlib.uuid4().hex[:8]


def _request_spec(context, request, plan):
    plan.flavor.trust('projects', None)
    return objects.RequestSpec(
        flavor=plan.flavor, image=plan.image, num_instances=1, project_id=context.project_id, user_id=context.user_id,
        availability_zone=request.availability_zone or CONF.default_schedule_zone,
        scheduler_hints={name: value if isinstance(value, list) else [value] for name, value in request.hints.items()},
        requested_destination={'host': request.host, 'node': request.node} if request.host or request.node else None,
        force_hosts=[request.forced_host] if request.forced_host else [],
        force_nodes=[request.forced_node] if request.forced_node else [], security_groups=request.security_groups,
        instance_group=plan.group, is_bfv=any(_boots_from_volume(bdm) for bdm in request.block_devices))


def _boots_from_volume(bdm):
    return bdm.get('boot_index') in (0, '0') and (
        bdm.get('destination_type') == 'volume' or bdm.get('source_type') in ('volume', 'snapshot'))


def _instance_values(context, request, plan, index, reservation_id):
    flavor, image = plan.flavor, plan.image
    uuid = uuidutils.generate_uuid()
    name = request.name
    if plan.most > 1:
        name = CONF.multi_instance_display_name_template % {'name': name, 'count': index + 1, 'uuid': uuid}
    now = base.naive(timeutils.utcnow(with_timezone=True))
    return {
        'uuid': uuid, 'user_id': context.user_id, 'project_id': context.project_id, 'image_ref': request.image,
        'kernel_id': image.properties.get('kernel_id') or '', 'ramdisk_id': image.properties.get('ramdisk_id') or '',
        'hostname': request.hostname or host_name_of(name, uuid), 'launch_index': index,
        **keypairs.columns_of(plan.key_pair),
        'power_state': 0, 'vm_state': vm_states.BUILDING, 'task_state': task_states.SCHEDULING, 'progress': 0,
        'memory_mb': flavor.memory_mb, 'vcpus': flavor.vcpus, 'root_gb': flavor.root_gb,
        'ephemeral_gb': flavor.ephemeral_gb, 'instance_type_id': flavor.id, 'flavor': flavor.snapshot(),
        'user_data': request.user_data, 'reservation_id': reservation_id,
        'availability_zone': request.availability_zone or CONF.default_schedule_zone,
        'pinned_availability_zone': request.availability_zone or CONF.default_schedule_zone, 'display_name': name,
        'display_description': request.description, 'locked': False,
        'root_device_name': '/dev/vda', 'config_drive': 'True' if request.config_drive else '',
        'access_ip_v4': request.access_ip_v4, 'access_ip_v6': request.access_ip_v6,
        'auto_disk_config': request.auto_disk_config if request.auto_disk_config is not None
        else image.properties.get('auto_disk_config', '').lower() in ('true', 'yes', '1'),
        'hidden': False, 'cleaned': False, 'metadata': dict(request.metadata),
        'system_metadata': image.to_system_metadata(), 'network_info': None,
        'security_groups': list(request.security_groups) or ['default'], 'scheduler_hints': request.hints,
        'server_groups': [plan.group.uuid] if plan.group is not None else [],
        'trusted_certs': request.trusted_certs, 'created_at': now, 'updated_at': now, 'deleted': 0,
        'deleted_at': None, 'host': None, 'node': None, 'launched_at': None, 'terminated_at': None,
    }


def host_name_of(name, uuid):
    """A host name out of a display name: letters, digits and hyphens, at most 63; Server-<uuid> if nothing is left."""
    cleaned = re.sub(r'[ _\.]', '-', name)
    cleaned = re.sub(r'[^a-zA-Z0-9-]+', '', cleaned).lower().strip('-')[:63].strip('-')
    return cleaned or f'server-{uuid}'
