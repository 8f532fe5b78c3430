# SPDX-License-Identifier: Apache-2.0
"""The operators that a flavor's extra spec may begin with.

| operator              | the host's value …                                 |
|-----------------------|----------------------------------------------------|
| (none)                | is this text                                       |
| `=`                   | is at least this number                            |
| `==` `!=` `>=` `<=`   | compares so, as numbers (`>` and `<` too)          |
| `s==` `s!=` `s>=` …   | compares so, as texts                              |
| `<in>`                | contains this                                      |
| `<all-in> a b c`      | contains each of these                             |
| `<or> a <or> b`       | is one of these                                    |
| `<range-in> [10 20)`  | is a number in the range, a parenthesis excludes   |

(Nova documentation, 3.3.6 Filter Scheduler.)
"""

import operator
import re

_RANGE = re.compile(r'([\[(])\s*(\S+)\s+([^\s\])]+)\s*([\])])$')


def _numbers(compare):
    def test(value, wanted):
        try:
            return compare(float(value), float(wanted))
        except (TypeError, ValueError):
            return False
    return test


def _texts(compare):
    return lambda value, wanted: compare(str(value), wanted)


def _all_in(value, wanted):
    return all(item in value for item in wanted.split())


def _range_in(value, wanted):
    match = _RANGE.match(wanted)
    try:
        number, low, high = float(value), float(match[2]), float(match[3])
    except (TypeError, ValueError):
        return False
    return (low <= number if match[1] == '[' else low < number) and (
        number <= high if match[4] == ']' else number < high)


_OPERATORS = {
    '=': _numbers(operator.ge), '==': _numbers(operator.eq), '!=': _numbers(operator.ne),
    '>=': _numbers(operator.ge), '<=': _numbers(operator.le), '>': _numbers(operator.gt), '<': _numbers(operator.lt),
    's==': _texts(operator.eq), 's!=': _texts(operator.ne), 's>=': _texts(operator.ge), 's>': _texts(operator.gt),
    's<=': _texts(operator.le), 's<': _texts(operator.lt),
    '<in>': lambda value, wanted: wanted in value, '<all-in>': _all_in, '<range-in>': _range_in,
}


def match(value, req):
    """Whether a host's value meets what an extra spec requires.

    :param value: text, number, or collection of texts; None meets nothing.
    :param req: the extra spec's value, which may begin with an operator.
    """
    if value is None:
        return False
    first, _space, rest = req.strip().partition(' ')
    if first == '<or>':
        return any(str(value) == part.strip() for part in req.split('<or>')[1:])
    test = _OPERATORS.get(first)
    if test is None or not rest:
        return str(value) == req
    if first in ('<in>', '<all-in>') and not isinstance(value, (list, tuple, set, frozenset, dict)):
        value = str(value)
    return test(value, rest.strip())
