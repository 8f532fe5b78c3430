# SPDX-License-Identifier: Apache-2.0
"""Volumes and snapshots of the Block Storage service, with the fields of `nova.objects.Volume`."""

import dataclasses
import datetime

from oslo_utils import strutils, timeutils


@dataclasses.dataclass(frozen=True)
class Volume:
    """`migration_status`: None, or how far the service is that moves it."""

    id: str
    status: str
    size_gb: int
    name: str | None = None
    description: str | None = None
    project_id: str | None = None
    user_id: str | None = None
    volume_type: str | None = None
    availability_zone: str | None = None
    snapshot_id: str | None = None
    image_id: str | None = None
    bootable: bool = False
    multiattach: bool = False
    metadata: dict = dataclasses.field(default_factory=dict)
    image_metadata: dict | None = None
    attachments: tuple = ()
    migration_status: str | None = None
    created_at: datetime.datetime | None = None
    updated_at: datetime.datetime | None = None


@dataclasses.dataclass(frozen=True)
class Snapshot:
    id: str
    volume_id: str
    status: str
    size_gb: int
    name: str | None = None
    description: str | None = None
    project_id: str | None = None
    user_id: str | None = None
    created_at: datetime.datetime | None = None
    updated_at: datetime.datetime | None = None


def volume_of(found):
    """The `Volume` of a document of the service."""
    image = found.get('volume_image_metadata')
    return Volume(
        **_common(found), volume_type=found.get('volume_type'), availability_zone=found.get('availability_zone'),
        snapshot_id=found.get('snapshot_id'), image_id=(image or {}).get('image_id'),
        bootable=strutils.bool_from_string(found.get('bootable')), multiattach=bool(found.get('multiattach')),
        metadata=found.get('metadata') or {}, image_metadata=_image_metadata(image),
        migration_status=found.get('migration_status') or None,
        project_id=found.get('os-vol-tenant-attr:tenant_id'), user_id=found.get('user_id'),
        attachments=tuple({'id': each.get('attachment_id'), 'instance_uuid': each.get('server_id'),
                           'device': each.get('device')} for each in found.get('attachments') or ()))


#: What the service knows of an image under names of its own -> ours, see `ImageMeta.to_system_metadata`.
_RENAMED = {'image_id': 'image_base_image_ref', 'image_name': 'image_name'}


def _image_metadata(found):
    if found is None:
        return None
    return {_RENAMED.get(key, f'image_{key}'): value for key, value in found.items()}


def snapshot_of(found):
    """The `Snapshot` of a document of the service."""
    return Snapshot(**_common(found), volume_id=found['volume_id'], user_id=found.get('user_id'),
                    project_id=found.get('os-extended-snapshot-attributes:project_id'))


def _common(found):
    return {'id': found['id'], 'status': found['status'], 'size_gb': found['size'], 'name': found.get('name'),
            'description': found.get('description'),
            **{name: _moment(found.get(name)) for name in ('created_at', 'updated_at')}}


def _moment(text):
    return timeutils.parse_isotime(f'{text}Z' if text[-1] != 'Z' and '+' not in text else text) if text else None
