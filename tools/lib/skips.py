# SPDX-License-Identifier: Apache-2.0
"""What the JUnit files that pytest wrote say of a run: how many tests passed, and which were skipped and must not be.

    tools/lib/skips.py check LIST REPORT...     # ends with 1 if a test was skipped that is not in the list
    tools/lib/skips.py count DIR STAGE...       # `unit: 3 passed, 0 failed, 0 skipped`, the reports are in DIR/unit

A line of the list is `pattern of the test's name | why it may be skipped`; patterns are those of file names (* and ?).
With CI=true in the environment the list counts for nothing.
"""

import collections
import fnmatch
import os
import pathlib
import sys
from xml.etree import ElementTree


def allowed(path):
    """Patterns of a list."""
    lines = [line.partition('#')[0].strip() for line in pathlib.Path(path).read_text().splitlines()]
    return [line.partition('|')[0].strip() for line in lines if line]


def skipped(report):
    """[(test, reason)] of a JUnit file."""
    cases = ElementTree.parse(report).iter('testcase')  # noqa: S314  written by our own pytest
    return [(f'{case.get("classname")}.{case.get("name")}', found.get('message'))
            for case in cases for found in case.findall('skipped') if found.get('type') != 'pytest.xfail']


def check(patterns_file, *reports):
    """Name what was skipped and must not be."""
    patterns = [] if os.environ.get('CI') == 'true' else allowed(patterns_file)
    unexpected = [(test, reason) for report in reports for test, reason in skipped(report)
                  if not any(fnmatch.fnmatch(test, pattern) for pattern in patterns)]
    for test, reason in unexpected:
        print(f'skipped, and must not be: {test}: {reason}')
    return 1 if unexpected else 0


def ends(report):
    """How many tests of a JUnit file ended how: {'passed': 3, 'skipped': 1}."""
    cases = ElementTree.parse(report).iter('testcase')  # noqa: S314  written by our own pytest
    return collections.Counter(_end(case) for case in cases)


def _end(case):
    if case.find('failure') is not None or case.find('error') is not None:
        return 'failed'
    # Those that were expected to fail, and did, have passed.
    return 'skipped' if any(found.get('type') != 'pytest.xfail' for found in case.findall('skipped')) else 'passed'


def count(directory, *stages):
    """How the tests of each stage ended, and those of all."""
    total = collections.Counter()
    for stage in stages:
        found = sum((ends(report) for report in pathlib.Path(directory, stage).glob('*.xml')), collections.Counter())
        print(_line(stage, found))
        total += found
    print(_line('tests', total))
    return 0


def _line(what, found):
    return f'{what}: ' + ', '.join(f'{found[end]} {end}' for end in ('passed', 'failed', 'skipped'))


COMMANDS = {'check': check, 'count': count}


def main(command, *arguments):
    return COMMANDS[command](*arguments)


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
