# SPDX-License-Identifier: Apache-2.0
"""Microversions: which there are, and which one a request asks for.

Versions are 2.1 to the newest of `history`.  Inside they are the number after the dot; declarations write them as text
('2.53').  A range is inclusive on both ends.
"""

import re
import typing

from nova import exception
from nova.api.openstack import history

MIN = 1
MAX = len(history.HISTORY)

OLD_HEADER = 'X-OpenStack-Nova-API-Version'
NEW_HEADER = 'OpenStack-API-Version'

_SYNTAX = re.compile(r'([1-9]\d*)\.([1-9]\d*|0)', re.ASCII)


class InvalidVersion(exception.Invalid):
    msg_fmt = ("API Version String %(version)s is of invalid format. Must be of format MajorNum.MinorNum, "
               "or 'latest'.")


class VersionNotSupported(exception.Invalid):
    msg_fmt = f'Version %(version)s is not supported by the API. Minimum is 2.{MIN} and maximum is 2.{MAX}.'


class At(typing.NamedTuple):
    """What a declaration is compiled for: a minor version, and whether the forgiving rules of /v2 apply."""

    minor: int
    legacy: bool = False


#: /v2: version 2.1 with forgiving rules.
LEGACY = At(MIN, True)


def minor(text):
    """'2.53' -> 53.  Raises ValueError for what is not one of our versions: a declaration is wrong."""
    match = _SYNTAX.fullmatch(text)
    if match is None or match[1] != '2' or not MIN <= int(match[2]) <= MAX:
        raise ValueError(f'{text!r} is not a microversion')
    return int(match[2])


def text(number):
    """53 -> '2.53'."""
    return f'2.{number}'


class Range:
    """From `since` up to and including `until`, as texts; None is an open end."""

    __slots__ = ('first', 'last')

    def __init__(self, since=None, until=None):
        self.first = minor(since) if since else MIN
        self.last = minor(until) if until else MAX
        if self.first > self.last:
            raise ValueError(f'{since} is after {until}')

    def __contains__(self, number):
        return self.first <= number <= self.last

    def bounds(self):
        """Versions at which something changes because of this range."""
        return {self.first, self.last + 1}

    def __repr__(self):
        return f'2.{self.first}-2.{self.last}'


class Since:
    """A behaviour that began with a version, known to the handler as a boolean argument of this name."""

    def __init__(self, version, name):
        self.name, self.range = name, Range(since=version)


class Until:
    """A behaviour that ended after a version, known to the handler as a boolean argument of this name."""

    def __init__(self, version, name):
        self.name, self.range = name, Range(until=version)


def by_version(value):
    """What a declaration says per version, as {first minor: value}: a plain value, or {'2.1': value, '2.2': value}."""
    if isinstance(value, dict) and value and all(isinstance(key, str) and _SYNTAX.fullmatch(key) for key in value):
        return {minor(key): item for key, item in sorted(value.items(), key=lambda pair: minor(pair[0]))}
    return {MIN: value}


def at(table, number, default=None):
    """The value of a `by_version` table at a version."""
    found = default
    for first, value in table.items():
        if first > number:
            break
        found = value
    return found


_memo = {}


def requested(environ):
    """The minor version that the request's headers ask for; 1 if they say nothing.

    Raises InvalidVersion for what is no version and VersionNotSupported for one that we do not have.
    """
    asked = None
    new = environ.get('HTTP_OPENSTACK_API_VERSION')
    if new is not None:
        for part in new.split(','):
            words = part.split()
            if len(words) == 2 and words[0].lower() == 'compute':
                asked = words[1]
    if asked is None:
        asked = environ.get('HTTP_X_OPENSTACK_NOVA_API_VERSION')
        if asked is None:
            return MIN
        asked = asked.strip()
    number = _memo.get(asked)
    if number is None:
        number = _parse(asked)
        _memo[asked] = number      # only what is a version of ours gets here: a bounded number
    return number


def answered(environ):
    """The minor version that the answer is given at: the one asked for, or 1 where that is none of ours."""
    try:
        return requested(environ)
    except (InvalidVersion, VersionNotSupported):
        return MIN


def _parse(asked):
    if asked == 'latest':
        return MAX
    match = _SYNTAX.fullmatch(asked)
    if match is None:
        raise InvalidVersion(version=asked)
    # Length first: turning thousands of digits into a number is slow, and Python refuses it.
    if match[1] != '2' or len(match[2]) > 3 or not MIN <= int(match[2]) <= MAX:
        raise VersionNotSupported(version=asked)
    return int(match[2])


def _headers(version):
    return ((OLD_HEADER, version), (NEW_HEADER, f'compute {version}'), ('Vary', OLD_HEADER), ('Vary', NEW_HEADER))


#: Response headers by minor version.
HEADERS = tuple(_headers(text(max(number, MIN))) for number in range(MAX + 1))
