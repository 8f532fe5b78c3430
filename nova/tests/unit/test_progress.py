# SPDX-License-Identifier: Apache-2.0
"""Work that says whether it comes further."""

from nova import concurrency

concurrency.monkey_patch()

import os  # noqa: E402  (everything below must be imported patched)
import subprocess  # noqa: E402

import pytest  # noqa: E402
from oslo_concurrency import processutils  # noqa: E402

from nova import exception, progress  # noqa: E402
from nova.conf import CONF  # noqa: E402
from nova.image import formats, transfer  # noqa: E402
from nova.virt import images  # noqa: E402
from nova.virt.libvirt import imagecache  # noqa: E402


@pytest.fixture(autouse=True)
def often(monkeypatch):
    monkeypatch.setattr(progress, '_LOOK_S', 0.01)


def test_only_who_has_it_done_hears_it():
    heard = []
    progress.came_further()
    with progress.heard_by(heard.append):
        progress.came_further()
        concurrency.spawn(progress.came_further).wait()
    progress.came_further()
    assert heard == [True]


def test_two_that_work_side_by_side_are_heard_apart():
    heard = {1: [], 2: []}

    def work(number):
        with progress.heard_by(heard[number].append):
            for _each in range(number):
                concurrency.sleep(0)
                progress.came_further()
    for task in [concurrency.spawn(work, number) for number in heard]:
        task.wait()
    assert heard == {1: [True], 2: [True, True]}


def test_a_gauge_counts_what_was_never_reached_before():
    heard, gauge = [], progress.Gauge()
    with progress.heard_by(heard.append):
        for figure in (5, 5, 6, 3, 6, 7):
            gauge.reads(figure)
    assert heard == [False, False, True, False, False, True]


def test_work_that_cannot_tell_is_watched_from_beside():
    heard, figures = [], iter((1, 2, 2, 3))
    with progress.heard_by(heard.append), progress.watching(lambda: next(figures, 3)):
        concurrency.sleep(0.2)
    assert heard.count(True) == 2
    count = len(heard)
    concurrency.sleep(0.05)
    assert len(heard) == count


def test_that_nobody_wants_it_any_more_is_heard_when_it_is_over():
    done = []

    def listener(further):
        raise exception.OrderLost(action_id=1)

    def work():
        with progress.heard_by(listener), progress.watching(lambda: 1):
            concurrency.sleep(0.05)
            done.append(True)
    with pytest.raises(exception.OrderLost):
        work()
    assert done


def test_where_nobody_listens_nothing_is_watched():
    with progress.watching(lambda: pytest.fail('nobody asked')):
        concurrency.sleep(0.05)


def test_a_program_is_watched_by_what_it_moves():
    heard = []
    with progress.heard_by(heard.append), progress.of_process() as on_execute:
        processutils.execute('sh', '-c', 'for i in 1 2 3 4 5; do sleep 0.1; echo a; done', on_execute=on_execute)
    assert 3 <= heard.count(True) <= 10
    del heard[:]
    with progress.heard_by(heard.append), progress.of_process() as on_execute:
        processutils.execute('sleep', '0.5', on_execute=on_execute)
    assert len(heard) > 10
    # What it read to begin with.
    assert heard[len(heard) // 2:].count(True) == 0


@pytest.fixture
def disk(tmp_path):
    path = tmp_path / 'disk'
    with open(path, 'wb') as out:
        out.writelines(os.urandom(1 << 20) for _each in range(64))
    return path


def test_a_disk_that_is_converted_comes_further(disk, tmp_path):
    heard = []
    with progress.heard_by(heard.append):
        images.convert(str(disk), 'raw', str(tmp_path / 'converted'), 'qcow2')
    assert True in heard


def test_a_file_that_is_copied_comes_further(disk, tmp_path, monkeypatch):
    heard = []
    # Where blocks can be shared there is nothing to see.
    monkeypatch.setattr(transfer.fcntl, 'ioctl', lambda *args: (_ for _ in ()).throw(OSError))
    monkeypatch.setattr(progress, '_LOOK_S', 0.001)
    with progress.heard_by(heard.append):
        transfer.copy_file(str(disk), str(tmp_path / 'copy'))
    assert True in heard
    subprocess.run(['cmp', disk, tmp_path / 'copy'], check=True)


def test_a_stream_comes_further_with_each_piece_that_was_taken(disk):
    heard = []
    with progress.heard_by(heard.append), open(disk, 'rb') as source:
        pieces = transfer.chunks(source)
        next(pieces)
        assert heard == []
        count = 1 + sum(1 for _piece in pieces)
    assert heard == [True] * count
    with progress.heard_by(heard.append):
        assert list(transfer.chunks(iter([b'a', b'b']))) == [b'a', b'b']
    assert heard == [True] * (count + 2)


class SlowStore:
    """Images come in pieces."""

    def download(self, context, image_id, dest_path):
        with open(dest_path, 'wb') as out:
            for _each in range(5):
                concurrency.sleep(0.05)
                out.write(os.urandom(1 << 20))
                out.flush()
        return formats.Inspection('raw', 5 << 20, 5 << 20)


def test_who_waits_for_another_that_fetches_an_image_comes_further_with_it(tmp_path):
    CONF.set_override('state_path', str(tmp_path))
    heard = {1: [], 2: []}

    def boot(number):
        with progress.heard_by(heard[number].append):
            imagecache.fetch(None, SlowStore(), 'image')
    try:
        for task in [concurrency.spawn(boot, number) for number in heard]:
            task.wait()
    finally:
        CONF.clear_override('state_path')
    assert heard[1].count(True) > 1
    assert heard[2].count(True) > 1
