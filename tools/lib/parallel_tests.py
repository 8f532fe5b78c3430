# SPDX-License-Identifier: Apache-2.0
"""Run the tests of some stages (directories of nova/tests) in several processes, a group of files in each.

pytest-xdist cannot: its workers talk through threads, and hang as soon as a test module replaces these by green ones.
Here every group is a pytest of its own, in a process that need not import what all of them do.  Groups follow from the
tree only, never from the number of processes, so what shares a process is always the same.

One stage comes after the other, but no process waits for the end of a stage.

Leaves in DIR, for each stage, the JUnit files of its groups and `result`: a word (passed or FAILED), and the seconds
from the beginning of its first group to the end of its last.  Ends with status 0 if all groups passed.
"""

import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
from xml.sax import saxutils

from nova.tests import forkserver

TESTS = pathlib.Path('nova/tests')
#: Variables that only one stage gets: what the others ask of the API does not count as tested.
ONLY = {'NOVA_API_COVERAGE': 'functional'}
#: Files of one directory beyond which it is more than one group.
LARGEST = 8
#: Of test files, roughly.
BYTES_A_SECOND = 110


def groups_of(directory):
    """[(name, files)]: each directory below, cut to size; and each file that stands alone, or says that it is long."""
    by_directory = {}
    for path in sorted(directory.rglob('test_*.py')):
        if path.parent == directory or _said(path):
            yield str(path), [path]
        else:
            by_directory.setdefault(path.parent, []).append(path)
    for parent, paths in by_directory.items():
        pieces = [paths[i:i + LARGEST] for i in range(0, len(paths), LARGEST)]
        for number, piece in enumerate(pieces, 1):
            yield f'{parent} ({number}/{len(pieces)})' if len(pieces) > 1 else str(parent), piece


def weight(group):
    """How long a group may take, in seconds: what its files say (TAKES_S), or a guess from their size.

    The helpers count too if it is a directory.
    """
    name, paths = group
    if name == str(paths[0].parent):
        paths = [path for path in paths[0].parent.glob('*.py') if not _said(path)]
    return sum(_said(path) or path.stat().st_size / BYTES_A_SECOND for path in paths)


def _said(path):
    """What a file says it takes, in seconds; 0 for one that does not."""
    said = re.search(r'^TAKES_S = (\d+)$', path.read_text(), re.MULTILINE)
    return int(said[1]) if said else 0


class Stage:
    """One stage: its groups, and how they went."""

    def __init__(self, name, reports):
        self.name, self.reports = name, reports / name
        self.groups = list(groups_of(TESTS / name))
        self.began = self.ended = None
        self.failed = []
        self.environ = {variable: value for variable, value in os.environ.items()
                        if ONLY.get(variable, name) == name}

    def prepare(self):
        self.reports.mkdir(parents=True, exist_ok=True)
        for old in (*self.reports.glob('*.xml'), self.reports / 'result'):
            old.unlink(missing_ok=True)

    def run(self, group, timeout_s, arguments):
        """Run a group, and say how it went."""
        self.began = self.began or time.monotonic()
        name, status, output = run(group, self.reports, timeout_s, arguments, self.environ)
        self.ended = time.monotonic()
        # 5: nothing collected, which is as it should be where arguments select tests by name
        if status == 0 or (status == 5 and arguments):
            print(f'{name}: {output.strip().splitlines()[-1].strip("= ")}', flush=True)
        else:
            self.failed.append(name)
            print(f'{output}\n{name}: FAILED (status {status})', flush=True)

    def end(self):
        """Say how all of them went; whether that is well."""
        took = round(self.ended - self.began) if self.ended else 0
        if not self.groups:
            print(f'{self.name}: no tests')
        else:
            print(f'{self.name}: {len(self.groups)} groups in {took} s'
                  + (f'; failed: {", ".join(sorted(self.failed))}' if self.failed else ''))
        well = bool(self.groups) and not self.failed
        (self.reports / 'result').write_text(f'{"passed" if well else "FAILED"} {took}\n')
        return well


def run(group, reports, timeout_s, arguments, environ=None):
    """Run one group; returns (its name, exit status, what it printed)."""
    name, paths = group
    report = reports / (re.sub(r'\W+', '-', name).strip('-') + '.xml')
    with tempfile.TemporaryFile() as printed:
        process = forkserver.Process('import sys, pytest; sys.exit(pytest.main(sys.argv[1:]))', '-q', '--junit-xml',
                                     report, *arguments, *paths, stdout=printed, stderr=printed, environ=environ,
                                     world='tests')
        try:
            status, end = process.wait(timeout_s), ''
        except subprocess.TimeoutExpired:
            # What it started is in its group of processes, or ends with it.
            os.killpg(process.pid, 9)
            process.wait()
            status, end = 124, f'\nstill not finished after {timeout_s} s'
        printed.seek(0)
        output = printed.read().decode(errors='replace') + end
    if not report.exists() and status not in (0, 5):
        # Who counts the reports finds one failure in it, and does not take it for a group without tests.
        report.write_text(f'<testsuites><testsuite><testcase classname="group" name={saxutils.quoteattr(name)}>'
                          f'<error message="status {status}"/></testcase></testsuite></testsuites>\n')
    return name, status, output


def run_all(stages, processes, timeout_s, arguments):
    """Run the groups of all stages, so many at a time."""
    with concurrent.futures.ThreadPoolExecutor(processes) as pool:
        runs = [pool.submit(stage.run, group, timeout_s, arguments) for stage in stages
                # The largest first: at the end nobody waits for one that began late.
                for group in sorted(stage.groups, key=weight, reverse=True)]
        for done in runs:
            done.result()


def _split(words, at):
    """`words` before and after the first `at`, which argparse cannot do behind optional arguments."""
    if at not in words:
        return [words]
    return [words[:words.index(at)], words[words.index(at) + 1:]]


def main():
    parser = argparse.ArgumentParser(usage='%(prog)s STAGE... --reports DIR [options] [-- ARGUMENTS FOR PYTEST]',
                                     description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('stages', nargs='+', metavar='STAGE')
    parser.add_argument('--processes', type=int, default=os.cpu_count() or 1)
    parser.add_argument('--reports', type=pathlib.Path, required=True, help='directory for what is left of the run')
    parser.add_argument('--timeout', type=int, default=1200, help='seconds after which a group is taken for stuck')
    own, *rest = _split(sys.argv[1:], '--')
    args = parser.parse_args(own, argparse.Namespace(arguments=rest[0] if rest else []))
    with tempfile.TemporaryDirectory(prefix='nova-template-') as os.environ['NOVA_TEST_TEMPLATE'], \
            forkserver.serving(*forkserver.WORLDS):
        stages = [Stage(name, args.reports) for name in args.stages]
        for stage in stages:
            stage.prepare()
        run_all(stages, args.processes, args.timeout, args.arguments)
    ends = [stage.end() for stage in stages]
    return 0 if all(ends) else 1


if __name__ == '__main__':
    sys.exit(main())
