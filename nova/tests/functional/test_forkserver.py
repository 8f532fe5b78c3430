# SPDX-License-Identifier: Apache-2.0
"""What the tests' server of processes starts is like what a shell would start."""

import os
import signal
import subprocess
import sys

import pytest

from nova.tests import forkserver, harness


def has_ended(pid):
    try:
        with open(f'/proc/{pid}/stat') as source:
            return source.read().rpartition(')')[2].split()[0] == 'Z'
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_output_and_status_are_those_of_the_command():
    done = forkserver.run('import sys; print(sys.argv[1:]); print("bad", file=sys.stderr); sys.exit(3)', 'one', 2)
    assert (done.returncode, done.stdout, done.stderr) == (3, "['one', '2']\n", 'bad\n')


def test_an_exception_ends_a_command_as_it_ends_python():
    done = forkserver.run('raise RuntimeError("no")')
    assert done.returncode == 1
    assert done.stderr.endswith('RuntimeError: no\n')


def test_what_is_registered_for_the_end_runs():
    assert forkserver.run('import atexit; atexit.register(print, "end")').stdout == 'end\n'


def test_the_environment_is_that_of_the_test(monkeypatch):
    monkeypatch.setenv('NOVA_TEST_WORD', 'seen')
    monkeypatch.delenv('HOME')
    done = forkserver.run('import os; print(os.environ["NOVA_TEST_WORD"], "HOME" in os.environ)')
    assert done.stdout == 'seen False\n'


def test_two_commands_share_no_randomness():
    code = 'import random, uuid; print(random.random(), uuid.uuid4())'
    assert forkserver.run(code).stdout != forkserver.run(code).stdout


def test_it_leads_a_session_and_a_signal_ends_it():
    process = forkserver.Process('import time; time.sleep(60)')
    assert process.poll() is None
    assert os.getsid(process.pid) == process.pid
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.1)
    process.terminate()
    assert process.wait(10) == -signal.SIGTERM
    process.kill()      # as of Popen: nothing happens


def test_it_does_not_outlive_who_started_it():
    """Not even if that is killed, and has a server of its own."""
    code = ('import os; from nova.tests import forkserver; '
            'print(forkserver.Process("import time; time.sleep(60)").pid, flush=True); os.kill(os.getpid(), 9)')
    done = subprocess.run([sys.executable, '-W', 'ignore', '-c', code], cwd=forkserver.ROOT, capture_output=True,
                          text=True, check=False, timeout=60, env=forkserver.without_servers(os.environ))
    assert done.returncode == -signal.SIGKILL
    harness.wait_for(lambda: has_ended(int(done.stdout)), 'end of the command', 10)


_WAITS = '''
from nova import concurrency
import socket, sys
with socket.create_server(("127.0.0.1", 0)) as listening:
    print("waits", flush=True)
    listening.accept()
'''
_WATCHED = '''
import pathlib
from nova import concurrency
concurrency.sleep(0)
print([line for path in pathlib.Path("/proc/self/fdinfo").iterdir() if path.exists()
       for line in path.read_text().splitlines() if line.startswith("tfd:")])
'''


def test_two_commands_share_no_scheduler(tmp_path):
    """What one waits for does not wake the other."""
    with (tmp_path / 'out').open('wb') as out:
        process = forkserver.Process(_WAITS, stdout=out)
    harness.wait_for(lambda: (tmp_path / 'out').read_text() == 'waits\n', 'wait of the first')
    try:
        assert forkserver.run(_WATCHED).stdout == '[]\n'
    finally:
        process.kill()
        process.wait()
