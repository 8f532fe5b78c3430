# SPDX-License-Identifier: Apache-2.0
"""Arguments of commands, declared above the function."""


def arg(*words, **settings):
    """As `argparse.ArgumentParser.add_argument`."""
    def add(function):
        function.__dict__.setdefault('arguments', []).insert(0, (words, settings))
        return function
    return add


def pairs(items):
    """['a=1', …] -> {'a': '1'}"""
    return dict(item.partition('=')[::2] for item in items or ())
