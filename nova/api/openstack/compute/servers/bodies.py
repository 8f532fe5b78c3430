# SPDX-License-Identifier: Apache-2.0
"""What may be sent about servers.  Source: the API specification, "POST /servers" and "PUT /servers/{id}"."""

from nova.api.openstack.schema import (
    Any,
    Base64,
    Boolean,
    Choice,
    Description,
    HostName,
    Integer,
    Ip,
    List,
    Metadata,
    Name,
    OneOf,
    Raw,
    Table,
    Text,
    Uuid,
)

TAG = Text(None, to='tag', min=1, max=60, pattern=r'^[^,/]*\Z', says='1 to 60 characters without / and ,')
_TAG = {'min': 1, 'max': 60, 'pattern': r'^[^,/]*\Z', 'says': '1 to 60 characters without / and ,'}
_DEVICE_TAG = (Text('tag', **_TAG, since='2.32', until='2.36'), Text('tag', **_TAG, since='2.42'))
ATTACH_TAG = Text('tag', **_TAG, since='2.49')
_LABEL = r'^[a-zA-Z0-9]+[a-zA-Z0-9-]*[a-zA-Z0-9]+\Z'
_DEVICE_NAME = r'^[a-zA-Z0-9._/-]*\Z'

NETWORK = Table(
    Text('uuid', until='2.36', max=255, nullable=True),
    Uuid('uuid', since='2.37'),
    Uuid('port', nullable=True),
    Ip('fixed_ip', nullable=True),
    *_DEVICE_TAG,
)
_DEVICE = (
    Text('virtual_name', max=255, nullable=True),
    Text('volume_id', max=255, nullable=True),
    Text('snapshot_id', max=255, nullable=True),
    Integer('volume_size', min=1, nullable=True),
    Text('device_name', min=1, max=255, pattern=_DEVICE_NAME, nullable=True, says='a device name'),
    Boolean('delete_on_termination'),
    Raw('no_device', {}),
    Any('connection_info'),
)
DEVICE_V1 = Table(*_DEVICE)
DEVICE = Table(
    *_DEVICE,
    Choice('source_type', ('volume', 'image', 'snapshot', 'blank')),
    Text('uuid', min=1, max=255, nullable=True),
    Uuid('image_id', nullable=True),
    Choice('destination_type', ('local', 'volume')),
    Text('guest_format', max=255, nullable=True),
    Text('device_type', max=255, nullable=True),
    Text('disk_bus', max=255, nullable=True),
    Integer('boot_index', min=-1, nullable=True),
    Text('tag', **_TAG, since='2.32', until='2.32'),
    Text('tag', **_TAG, since='2.42'),
    Text('volume_type', since='2.67', max=255, nullable=True),
)
PERSONALITY = Table(
    Text('path', max=255, required=True),
    Base64('contents', required=True),
)
CERTIFICATES = List('trusted_image_certificates', Text(None, to='id', min=1), min=1, max=50, unique=True, nullable=True,
                    since='2.63', to='trusted_certs')
_FLAVOR = Raw('flavorRef', {'anyOf': [{'type': 'string', 'minLength': 1}, {'type': 'integer'}]}, required=True,
              says='the id of a flavor or its URL', to='flavor',
              convert=lambda value: str(value).rstrip('/').rpartition('/')[2])
_ADDRESSES = (
    Ip('accessIPv4', version=4, to='access_ip_v4', nullable=True),
    Ip('accessIPv6', version=6, to='access_ip_v6', nullable=True),
)
_DISK_CONFIG = Choice('OS-DCF:diskConfig', ('AUTO', 'MANUAL'), to='disk_config')
HOST_NAMES = (
    Text('hostname', since='2.90', until='2.93', min=2, max=63, pattern=_LABEL, says='a host name without dots'),
    Text('hostname', since='2.94', min=1, max=255, pattern=r'^[a-zA-Z0-9-._]*\Z', says='a host name'),
)

#: Known hints; others pass as they are.
HINTS = {
    'type': 'object',
    'properties': {
        'group': {'type': 'string', 'format': 'uuid'},
        'different_host': {'anyOf': [{'type': 'string', 'format': 'uuid'},
                                     {'type': 'array', 'items': {'type': 'string', 'format': 'uuid'}}]},
        'same_host': {'anyOf': [{'type': 'string', 'format': 'uuid'},
                                {'type': 'array', 'items': {'type': 'string', 'format': 'uuid'}}]},
        'query': {'type': ['string', 'object', 'array']},
        'target_cell': {'type': 'string', 'minLength': 1, 'maxLength': 255},
        'different_cell': {'type': ['string', 'array']},
        'build_near_host_ip': {'type': 'string', 'format': 'ip'},
        'cidr': {'type': 'string', 'pattern': r'^/[0-9a-f.:]+\Z'},
    },
    'additionalProperties': True,
}

CREATE = Table(
    Name('name', required=True),
    _FLAVOR,
    Text('imageRef', to='image', max=2083),
    List('networks', NETWORK, until='2.36', nullable=True),
    OneOf('networks', List('networks', NETWORK), Choice('networks', ('auto', 'none')), since='2.37', required=True,
          says="a list of networks, 'auto' or 'none'"),
    List('security_groups', Table(Name('name'), open=True)),
    Metadata('metadata', default=dict),
    Text('adminPass', to='admin_password', max=255),
    Name('key_name'),
    Name('availability_zone'),
    Base64('user_data', max=65535, in_v2=Base64('user_data', max=65535, nullable=True)),
    Boolean('config_drive', nullable=True),
    List('personality', PERSONALITY, until='2.56'),
    _DISK_CONFIG,
    *_ADDRESSES,
    Integer('min_count', min=1),
    Integer('max_count', min=1),
    Boolean('return_reservation_id'),
    List('block_device_mapping', DEVICE_V1),
    List('block_device_mapping_v2', DEVICE),
    Description('description', since='2.19'),
    List('tags', TAG, max=50, since='2.52'),
    CERTIFICATES,
    HostName('host', since='2.74'),
    HostName('hypervisor_hostname', since='2.74'),
    *HOST_NAMES,
    within='server',
    beside=(Raw('os:scheduler_hints', HINTS, to='hints'), Raw('OS-SCH-HNT:scheduler_hints', HINTS, to='other_hints')),
)
UPDATE = Table(
    Name('name', to='display_name'),
    *_ADDRESSES,
    _DISK_CONFIG,
    Description('description', since='2.19', to='display_description'),
    *HOST_NAMES,
    Name('pinned_availability_zone', since='2.104', nullable=True),
    within='server',
)
