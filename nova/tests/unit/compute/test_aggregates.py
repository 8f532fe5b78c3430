# SPDX-License-Identifier: Apache-2.0
"""Aggregates that two administrators change at the same moment."""

import pytest

from nova import exception
from nova.compute import aggregates
from nova.tests import database as make


class Scheduler:
    def update_aggregates(self, context, found):
        pass

    delete_aggregate = update_aggregates


class Interrupted(aggregates.AggregateAPI):
    """Somebody else is served between the read of an aggregate and the write."""

    def __init__(self, meanwhile=lambda: None):
        self.meanwhile = meanwhile
        self.scheduler = Scheduler()

    def get(self, context, aggregate_id):
        found = super().get(context, aggregate_id)
        self.meanwhile()
        return found


def both(change, other):
    """The metadata of a new aggregate after `change`, in the midst of which `other` was done."""
    calm = Interrupted()
    made = calm.create(make.admin(), 'fast', 'zone-1')
    change(Interrupted(lambda: other(calm, made.id)), made.id)
    return calm.get(make.admin(), made.id)


def sets(**metadata):
    return lambda api, aggregate_id: api.update_metadata(make.admin(), aggregate_id, metadata)


def updates(**values):
    return lambda api, aggregate_id: api.update(make.admin(), aggregate_id, values)


@pytest.mark.parametrize('change, other, metadata', [
    (sets(ssd='true'), sets(gpu='true'), {'availability_zone': 'zone-1', 'ssd': 'true', 'gpu': 'true'}),
    (sets(ssd='true'), sets(availability_zone=None), {'ssd': 'true'}),
    (updates(availability_zone='zone-2'), sets(gpu='true'), {'availability_zone': 'zone-2', 'gpu': 'true'}),
    (updates(name='faster'), sets(gpu='true'), {'availability_zone': 'zone-1', 'gpu': 'true'}),
    (sets(ssd=None), sets(ssd='true'), {'availability_zone': 'zone-1'})])
def test_keys_of_both_are_kept(database, change, other, metadata):
    assert both(change, other).metadata == metadata


def test_an_answer_has_what_the_other_one_wrote(database):
    answers = []
    both(lambda api, aggregate_id: answers.append(sets(ssd='true')(api, aggregate_id)), sets(gpu='true'))
    assert answers[0].metadata == {'availability_zone': 'zone-1', 'ssd': 'true', 'gpu': 'true'}


def test_one_that_is_deleted_meanwhile_is_not_there(database):
    with pytest.raises(exception.AggregateNotFound):
        both(sets(ssd='true'), lambda api, aggregate_id: api.delete(make.admin(), aggregate_id))
