# SPDX-License-Identifier: Apache-2.0
"""Objects on the wire: what we pack and unpack in a shorter way is what the library would."""

import datetime
import json

import pytest
from oslo_versionedobjects import base as ovo_base
from oslo_versionedobjects import exception as ovo_exception

from nova import context, objects
from nova.network import model
from nova.notifications import table  # noqa: F401  registers its payloads
from nova.objects import base, fields

objects.register_all()
CONTEXT = context.get_admin_context()
CLASSES = sorted((found[0] for found in ovo_base.VersionedObjectRegistry.obj_classes().values()
                  if found[0].OBJ_PROJECT_NAMESPACE == 'nova'), key=lambda cls: cls.__name__)
#: A value of each kind of field, as a server that works may have it.
VALUES = {fields.BooleanField: True, fields.FloatField: 1.5, fields.IntegerField: 7, fields.StringField: 'text',
          fields.UUIDField: '11111111-1111-1111-1111-111111111111', fields.DictOfStringsField: {'key': 'text'},
          fields.ListOfStringsField: ['one', 'two'], fields.JsonField: {'a': [1, None, {'b': 'c'}]},
          fields.NetworkInfoField: model.NetworkInfo(), fields.ObjectField: None, fields.ListOfObjectsField: [],
          fields.DateTimeField: datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)}


def full(cls):
    """An object with a value in every field, which was changed since it was loaded."""
    made = cls(CONTEXT)
    for name, field in cls.fields.items():
        made.trust(name, next(value for kind, value in VALUES.items() if isinstance(field, kind)))
    made._changed_fields = set(cls.fields)
    return made


def by_library(cls, packed):
    return ovo_base.VersionedObject._obj_from_primitive.__func__(cls, CONTEXT, cls.VERSION, packed)


def unsorted(packed):
    """Names of changed fields have no order."""
    return {**packed, 'nova_object.changes': sorted(packed.get('nova_object.changes', ()))}


@pytest.mark.parametrize('cls', CLASSES, ids=lambda cls: cls.__name__)
def test_the_wire_form_is_the_librarys(cls):
    made = full(cls)
    packed = json.loads(json.dumps(made.obj_to_primitive()))
    assert unsorted(packed) == unsorted(ovo_base.VersionedObject.obj_to_primitive(made))
    ours, theirs = base.NovaObject.obj_from_primitive(packed, CONTEXT), by_library(cls, packed)
    assert type(ours) is cls
    assert ours._context is CONTEXT
    assert ours.obj_what_changed() == theirs.obj_what_changed() == set(cls.fields)
    for name in cls.fields:
        assert getattr(ours, name) == getattr(theirs, name), name


def test_what_is_in_an_object_arrives_with_it():
    flavor = objects.Flavor(CONTEXT, id=1, memory_mb=512, extra_specs={'a': 'b'})
    action = objects.InstanceAction(CONTEXT, id=3, instance=objects.Instance(CONTEXT, flavor=flavor),
                                    bdms=[objects.BlockDeviceMapping(CONTEXT, volume_id='v')])
    arrived = base.NovaObject.obj_from_primitive(json.loads(json.dumps(action.obj_to_primitive())), CONTEXT)
    assert arrived.instance.flavor.extra_specs == {'a': 'b'}
    assert [bdm.volume_id for bdm in arrived.bdms] == ['v']
    assert not arrived.instance.obj_attr_is_set('host')


def test_a_null_is_what_the_field_makes_of_it():
    packed = objects.Flavor(CONTEXT, id=1, swap=5).obj_to_primitive()
    packed['nova_object.data'].update(swap=None, description=None)
    arrived = base.NovaObject.obj_from_primitive(packed, CONTEXT)
    assert (arrived.swap, arrived.description) == (0, None)
    packed['nova_object.data']['id'] = None
    with pytest.raises(ValueError, match='id'):
        base.NovaObject.obj_from_primitive(packed, CONTEXT)


def test_nobody_gets_a_version_that_does_not_exist_yet():
    with pytest.raises(ovo_exception.InvalidTargetVersion):
        objects.Flavor(CONTEXT, id=1).obj_to_primitive('9.0')


def test_a_request_that_says_little_has_the_defaults_of_its_own():
    one, other = (objects.RequestSpec(project_id='p') for _number in range(2))
    one.limits['vcpus'] = 1
    assert (other.limits, other.num_instances, other.is_bfv, other.retry) == ({}, 1, False, None)
