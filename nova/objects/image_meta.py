# SPDX-License-Identifier: Apache-2.0
"""Image metadata, as far as a server needs it."""

from nova.objects import base, fields

#: Fields kept in a server's system metadata beside the properties, as `image_<name>`.
_KEPT = ('container_format', 'disk_format', 'min_ram', 'min_disk', 'size', 'name')


@base.register
class ImageMeta(base.NovaObject):
    """`size` in bytes, `min_ram` in MiB, `min_disk` in GiB; `properties` as text, undecoded."""

    fields = {
        'id': fields.optional(),
        'name': fields.optional(),
        'status': fields.optional(),
        'visibility': fields.optional(),
        'checksum': fields.optional(),
        'owner': fields.optional(),
        'size': fields.optional(fields.IntegerField),
        'virtual_size': fields.optional(fields.IntegerField),
        'container_format': fields.optional(),
        'disk_format': fields.optional(),
        'min_ram': fields.IntegerField(default=0),
        'min_disk': fields.IntegerField(default=0),
        'direct_url': fields.optional(),
        'created_at': fields.optional(fields.DateTimeField),
        'updated_at': fields.optional(fields.DateTimeField),
        'properties': fields.DictOfStringsField(default={}),
    }

    @classmethod
    def from_dict(cls, image):
        """From what `nova.image.API().get` answers."""
        self = cls()
        for name in cls.fields:
            value = image.get(name)
            if name in ('min_ram', 'min_disk'):
                value = int(value or 0)
            elif name == 'properties':
                value = {key: str(text) for key, text in (value or {}).items() if text is not None}
            elif name in ('created_at', 'updated_at'):
                value = value or None
            setattr(self, name, value)
        return self

    @classmethod
    def from_instance(cls, instance):
        """From the copy that the server keeps; the image itself may be gone."""
        kept = {key[len('image_'):]: value for key, value in (instance.system_metadata or {}).items()
                if key.startswith('image_')}
        known = {name: kept.pop(name) for name in _KEPT if name in kept}
        kept.pop('base_image_ref', None)
        for name in ('min_ram', 'min_disk', 'size'):
            if known.get(name):
                known[name] = int(known[name])
        return cls.from_dict({**known, 'id': instance.image_ref or None, 'properties': kept})

    def to_system_metadata(self):
        """What a server keeps of it."""
        kept = {f'image_{key}': value for key, value in self.properties.items()}
        for name in _KEPT:
            value = getattr(self, name, None)
            if value is not None:
                kept[f'image_{name}'] = str(value)
        if self.id:
            kept['image_base_image_ref'] = self.id
        return kept
