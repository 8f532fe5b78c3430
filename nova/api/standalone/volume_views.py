# SPDX-License-Identifier: Apache-2.0
"""Volumes and snapshots as the Block Storage API 3.0 words them, and what may be given of them."""

from nova import exception, objects
from nova.api.standalone import routing, users
from nova.conf import CONF

MAX_TEXT = 255
#: Every volume is a file in one directory: there is one kind.
TYPE = {'id': users.id_of('volume type', 'local'), 'name': 'local', 'description': 'Files of this site',
        'is_public': True, 'os-volume-type-access:is_public': True, 'extra_specs': {}, 'qos_specs_id': None}
#: Of what is kept of a volume's image, that which is not shown under its name without `image_`.
_SHOWN_AS = {'image_base_image_ref': 'image_id', 'image_name': 'image_name'}


def _stamp(moment):
    return moment.strftime('%Y-%m-%dT%H:%M:%S.%f') if moment is not None else None


def _links(call, collection, item_id):
    path = f'{collection}/{item_id}'
    return [{'rel': 'self', 'href': f'{call.url}/v3/{path}'}, {'rel': 'bookmark', 'href': f'{call.url}/{path}'}]


def volume_summary(call, volume):
    return {'id': volume.id, 'name': volume.name, 'links': _links(call, 'volumes', volume.id)}


def volume_view(call, volume):
    view = {**made_view(call, volume), 'os-vol-tenant-attr:tenant_id': volume.project_id}
    if volume.image_metadata:
        view['volume_image_metadata'] = image_metadata(volume)
    return view


def made_view(call, volume):
    """What the answer to its creation says of a volume."""
    return {
        **volume_summary(call, volume), 'status': volume.status, 'size': volume.size_gb,
        'availability_zone': volume.availability_zone or CONF.default_availability_zone,
        'created_at': _stamp(volume.created_at), 'updated_at': _stamp(volume.updated_at),
        'description': volume.description, 'volume_type': volume.volume_type or TYPE['name'],
        'snapshot_id': volume.snapshot_id, 'source_volid': None,
        'metadata': {**volume.metadata, **({'readonly': 'True'} if volume.read_only else {})},
        'user_id': volume.user_id, 'bootable': str(volume.bootable).lower(), 'encrypted': False,
        'replication_status': None, 'consistencygroup_id': None, 'multiattach': volume.multiattach,
        'migration_status': None,
        'attachments': [{'id': volume.id, 'volume_id': volume.id, 'attachment_id': each['id'],
                         'server_id': each['instance_uuid'], 'device': each['device'], 'host_name': None,
                         'attached_at': None} for each in volume.attachments]}


def image_metadata(volume):
    """The other service's names: `image_id`, `image_name`, and the rest of what an image says without a prefix."""
    return {_SHOWN_AS.get(key, key.removeprefix('image_')): value
            for key, value in (volume.image_metadata or {}).items()}


def kept_image_metadata(shown):
    """What `image_metadata` is made from."""
    kept_as = {name: key for key, name in _SHOWN_AS.items()}
    return {kept_as.get(name, f'image_{name}'): value for name, value in shown.items()}


def snapshot_view(snapshot):
    return {'id': snapshot.id, 'name': snapshot.name, 'description': snapshot.description,
            'volume_id': snapshot.volume_id, 'status': snapshot.status, 'size': snapshot.size_gb,
            'metadata': snapshot.metadata,
            'created_at': _stamp(snapshot.created_at), 'updated_at': _stamp(snapshot.updated_at),
            'os-extended-snapshot-attributes:project_id': snapshot.project_id,
            'os-extended-snapshot-attributes:progress': '100%'}


def upload_view(volume, image):
    """What the answer says of an image that is being made of a volume."""
    return {'os-volume_upload_image': {
        'id': volume.id, 'status': 'uploading', 'size': volume.size_gb, 'updated_at': _stamp(volume.updated_at),
        'display_description': volume.description, 'volume_type': TYPE, 'image_id': image['id'],
        'image_name': image['name'], 'disk_format': image['disk_format'],
        'container_format': image['container_format']}}


def limits_view(volumes, snapshots):
    used = {'totalVolumesUsed': len(volumes), 'totalSnapshotsUsed': len(snapshots), 'totalBackupsUsed': 0,
            'totalBackupGigabytesUsed': 0,
            'totalGigabytesUsed': sum(each.size_gb for each in (*volumes, *snapshots))}
    most = dict.fromkeys(('maxTotalVolumes', 'maxTotalSnapshots', 'maxTotalVolumeGigabytes', 'maxTotalBackups',
                          'maxTotalBackupGigabytes'), -1)
    return {'limits': {'rate': [], 'absolute': {**used, **most}}}


def quota_view(project_id, volumes=(), snapshots=(), usage=False):
    """Nothing is limited but the disk; `usage`: with what is in use."""
    used = {'volumes': len(volumes), 'snapshots': len(snapshots), 'backups': 0, 'backup_gigabytes': 0, 'groups': 0,
            'gigabytes': sum(each.size_gb for each in (*volumes, *snapshots)), 'per_volume_gigabytes': 0}
    limits = {**dict.fromkeys(used, -1), 'per_volume_gigabytes': CONF.volume.max_size_gb}
    if usage:
        limits = {name: {'limit': limit, 'in_use': used[name], 'reserved': 0} for name, limit in limits.items()}
    return {'quota_set': {'id': project_id, **limits}}


# What is given -------------------------------------------------------------------------------------------------------

def text_in(given, name, alias=None):
    """A text, or None.  Raises InvalidInput."""
    value = given.get(name, given.get(alias) if alias else None)
    if value is not None and (not isinstance(value, str) or len(value) > MAX_TEXT):
        raise exception.InvalidInput(reason=f'{name}: a text of at most {MAX_TEXT} characters is needed.')
    return value


def size_in(given, name, required=True):
    value = given.get(name)
    if value is None and not required:
        return None
    found = 0 if isinstance(value, bool) else routing.whole_number(name, value)
    if found < 1:
        raise exception.InvalidInput(reason=f'{name}: a whole number of GiB is needed.')
    return found


def metadata_in(given, name='metadata'):
    """Raises InvalidInput."""
    found = given.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict) or not all(
            isinstance(value, str) and 0 < len(key) <= MAX_TEXT and len(value) <= MAX_TEXT
            for key, value in found.items()):
        raise exception.InvalidInput(reason=f'{name}: texts of at most {MAX_TEXT} characters are needed.')
    return found


def status_in(given, known):
    status = given.get('status')
    if status not in known:
        raise exception.InvalidInput(reason=f'status: {status!r} is not one of {", ".join(known)}.')
    return status


def flag_in(given, name):
    value = given.get(name, False)
    if str(value).lower() not in ('true', 'false'):
        raise exception.InvalidInput(reason=f'{name}: true or false is needed.')
    return str(value).lower() == 'true'


# Lists ---------------------------------------------------------------------------------------------------------------

_PAGING = ('limit', 'marker', 'offset', 'sort', 'sort_key', 'sort_dir', 'all_tenants', 'with_count')
_SORTED_BY = {'id': 'id', 'status': 'status', 'size': 'size', 'availability_zone': 'availability_zone',
              'name': 'name', 'display_name': 'name', 'created_at': 'created_at', 'bootable': 'bootable'}
_TENANT = ('project_id', 'os-vol-tenant-attr:tenant_id')


def selected(views, query):
    """The views that a query asks for, sorted: a field that is shown must have the value.  Raises InvalidInput."""
    for key in set(query) - set(_PAGING):
        field = {'display_name': 'name', _TENANT[0]: _TENANT[1]}.get(key, key)
        views = [view for view in views if str(view.get(field)).lower() == query[key].lower()]
    wanted = query.get('sort') or f'{query.get("sort_key", "created_at")}:{query.get("sort_dir", "desc")}'
    for part in reversed(wanted.split(',')):
        key, _colon, direction = part.partition(':')
        if key not in _SORTED_BY or direction not in ('', 'asc', 'desc'):
            raise exception.InvalidInput(reason=f'sort: {part!r} is nothing to sort by.')
        views = sorted(views, key=lambda view, field=_SORTED_BY[key]: (view.get(field) is not None, view.get(field)),
                       reverse=direction != 'asc')
    return views


def page(views, limit, marker, offset=0):
    """(one page, whether there is more).  Raises MarkerNotFound."""
    if marker:
        places = [place for place, view in enumerate(views) if view['id'] == marker]
        if not places:
            raise exception.MarkerNotFound(marker=marker)
        views = views[places[0] + 1:]
    views = views[offset:]
    return views[:limit], len(views) > limit


def volumes_of(context, everybody):
    return objects.VolumeList.get_by_project(context, None if everybody else context.project_id).objects
