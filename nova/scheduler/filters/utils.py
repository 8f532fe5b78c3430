# SPDX-License-Identifier: Apache-2.0
"""What several filters ask of a host's aggregates (the documented helpers)."""

import collections


def aggregate_values_from_key(host_state, key_name):
    """The set of the values that the host's aggregates have for a metadata key."""
    return {aggregate.metadata[key_name] for aggregate in host_state.aggregates if key_name in aggregate.metadata}


def aggregate_metadata_get_by_host(host_state, key=None):
    """{key: set of values} over all aggregates of the host; values are split at commas.

    :param key: only of aggregates that have this key.
    """
    found = collections.defaultdict(set)
    for aggregate in host_state.aggregates:
        if key is None or key in aggregate.metadata:
            for name, value in aggregate.metadata.items():
                found[name].update(split(value))
    return dict(found)


def split(value):
    """The parts of a list that is written with commas."""
    return {part.strip() for part in str(value).split(',') if part.strip()}


def validate_num_values(vals, default=None, cast_to=int, based_on=min):
    """One number for several texts: their least (or what `based_on` says), or the default if there is none.

    Raises ValueError if one of them is no number.
    """
    numbers = [cast_to(value) for value in vals]
    return based_on(numbers) if numbers else default


def aggregate_number(host_state, key, default, cast_to=int):
    """The least number the host's aggregates have for a key; those that are no numbers do not count."""
    numbers = []
    for value in aggregate_values_from_key(host_state, key):
        try:
            numbers.append(cast_to(value))
        except ValueError:
            continue
    return min(numbers) if numbers else default


def instance_uuids_overlap(host_state, uuids):
    """Whether any of the servers is on the host."""
    return bool(set(uuids) & set(host_state.instances))
