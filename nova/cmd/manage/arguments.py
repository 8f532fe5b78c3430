# SPDX-License-Identifier: Apache-2.0
"""Arguments of commands, declared above the function."""

import argparse

from nova import exception

#: What a column of the tables holds.
_MOST = 2 ** 31 - 1


def arg(*words, **settings):
    """As `argparse.ArgumentParser.add_argument`."""
    def add(function):
        function.__dict__.setdefault('arguments', []).insert(0, (words, settings))
        return function
    return add


def at_least(low):
    """The type of an argument that is a whole number, of which there cannot be less."""
    def number(text):
        if not text.lstrip('-').isdecimal() or not low <= int(text) <= _MOST:
            raise argparse.ArgumentTypeError(f'{text!r} is no whole number from {low} to {_MOST}')
        return int(text)
    return number


def pairs(items):
    """['a=1', …] -> {'a': '1'}.  Raises InvalidInput."""
    for item in items or ():
        if not item.partition('=')[0] or '=' not in item:
            raise exception.InvalidInput(reason=f'{item!r} is not key=value')
    return dict(item.partition('=')[::2] for item in items or ())
