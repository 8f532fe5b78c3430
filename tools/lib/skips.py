# SPDX-License-Identifier: Apache-2.0
"""Compare the skipped tests of a run with those that may be skipped.

Reads the JUnit files that pytest wrote.  A line of the list is `pattern of the test's name | why it may be skipped`;
patterns are those of file names (* and ?).  With CI=true in the environment the list counts for nothing.
"""

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


def main(patterns_file, *reports):
    patterns = [] if os.environ.get('CI') == 'true' else allowed(patterns_file)
    unexpected = [(test, reason) for report in reports for test, reason in skipped(report)
                  if not any(fnmatch.fnmatch(test, pattern) for pattern in patterns)]
    for test, reason in unexpected:
        print(f'skipped, and must not be: {test}: {reason}')
    return 1 if unexpected else 0


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
