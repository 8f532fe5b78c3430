# SPDX-License-Identifier: Apache-2.0
"""Field types of our objects: oslo.versionedobjects' own, and a few more."""

from oslo_versionedobjects import fields
from oslo_versionedobjects.fields import (  # noqa: F401  one place to take fields from
    BooleanField,
    DateTimeField,
    DictOfStringsField,
    FloatField,
    IntegerField,
    ListOfObjectsField,
    ListOfStringsField,
    ObjectField,
    StringField,
    UUIDField,
)

from nova.network import model as network_model


class _Json(fields.FieldType):
    """Anything JSON can say, unchanged."""

    @staticmethod
    def coerce(obj, attr, value):
        return value

    @staticmethod
    def to_primitive(obj, attr, value):
        return value

    @staticmethod
    def from_primitive(obj, attr, value):
        return value

    def stringify(self, value):
        return repr(value)


class _NetworkInfo(_Json):
    """`nova.network.model.NetworkInfo`, as its JSON on the wire."""

    @staticmethod
    def coerce(obj, attr, value):
        return value if isinstance(value, network_model.NetworkInfo) else network_model.NetworkInfo.hydrate(value or [])

    @staticmethod
    def to_primitive(obj, attr, value):
        return value.json()

    @staticmethod
    def from_primitive(obj, attr, value):
        return network_model.NetworkInfo.hydrate(value)


class JsonField(fields.AutoTypedField):
    AUTO_TYPE = _Json()


class NetworkInfoField(fields.AutoTypedField):
    AUTO_TYPE = _NetworkInfo()


#: Their values are the same on the wire.
PLAIN = (BooleanField, FloatField, IntegerField, JsonField, StringField, UUIDField)


def optional(field=StringField, **kwargs):
    """A field that may be null and is null when nobody set it."""
    return field(nullable=True, **kwargs)
