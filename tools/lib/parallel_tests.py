# SPDX-License-Identifier: Apache-2.0
"""Run the tests of a directory in several processes, a group of files in each.

pytest-xdist cannot: its workers talk through threads, and hang as soon as a test module replaces these by green ones.
Here every group is a pytest of its own.  Groups follow from the tree only, never from the number of processes, so what
shares a process is always the same.  Ends with status 0 if all groups passed.
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


def run(group, reports, timeout_s, arguments):
    """Run one group; returns (its name, exit status, what it printed)."""
    name, paths = group
    report = reports / (re.sub(r'\W+', '-', name).strip('-') + '.xml')
    command = [sys.executable, '-m', 'pytest', '-q', '--junit-xml', report, *arguments, *paths]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors='replace',
                               start_new_session=True)
    try:
        output, _ = process.communicate(timeout=timeout_s)
        status = process.returncode
    except subprocess.TimeoutExpired:
        # The daemons that it started are in its group of processes.
        os.killpg(process.pid, 9)
        output, status = process.communicate()[0] + f'\nstill not finished after {timeout_s} s', 124
    return name, status, output


def _split(words, at):
    """`words` before and after the first `at`, which argparse cannot do behind optional arguments."""
    if at not in words:
        return [words]
    return [words[:words.index(at)], words[words.index(at) + 1:]]


def main():
    parser = argparse.ArgumentParser(usage='%(prog)s DIRECTORY --reports DIR [options] [-- ARGUMENTS FOR PYTEST]',
                                     description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('directory', type=pathlib.Path)
    parser.add_argument('--processes', type=int, default=os.cpu_count() or 1)
    parser.add_argument('--reports', type=pathlib.Path, required=True, help='directory for the JUnit files')
    parser.add_argument('--timeout', type=int, default=600, help='seconds after which a group is taken for stuck')
    own, *rest = _split(sys.argv[1:], '--')
    args = parser.parse_args(own, argparse.Namespace(arguments=rest[0] if rest else []))
    args.reports.mkdir(parents=True, exist_ok=True)
    for old in args.reports.glob('*.xml'):
        old.unlink()
    # The largest first: at the end nobody waits for one that began late.
    groups = sorted(groups_of(args.directory), key=weight, reverse=True)
    if not groups:
        print(f'{args.directory}: no tests')
        return 1
    began, failed = time.monotonic(), []
    with tempfile.TemporaryDirectory(prefix='nova-template-') as os.environ['NOVA_TEST_TEMPLATE'], \
            concurrent.futures.ThreadPoolExecutor(args.processes) as pool:
        runs = [pool.submit(run, group, args.reports, args.timeout, args.arguments) for group in groups]
        for done in concurrent.futures.as_completed(runs):
            name, status, output = done.result()
            # 5: nothing collected, which is as it should be where arguments select tests by name
            if status == 0 or (status == 5 and args.arguments):
                print(f'{name}: {output.strip().splitlines()[-1].strip("= ")}', flush=True)
            else:
                failed.append(name)
                print(f'{output}\n{name}: FAILED (status {status})', flush=True)
    print(f'{len(groups)} groups in {time.monotonic() - began:.0f} s'
          + (f'; failed: {", ".join(sorted(failed))}' if failed else ''))
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
