# SPDX-License-Identifier: Apache-2.0
"""The scripts that run the tests: how they group files, and which skips they let pass."""

import importlib.util
import pathlib

import pytest

LIB = pathlib.Path(__file__).resolve().parents[4] / 'tools' / 'lib'


def _load(name):
    spec = importlib.util.spec_from_file_location(name, LIB / f'{name}.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


parallel_tests, skips = _load('parallel_tests'), _load('skips')

REPORT = '''<testsuites><testsuite>
<testcase classname="nova.tests.integration.test_guests.TestGuests" name="test_boot">
<skipped message="no QEMU"/></testcase>
<testcase classname="nova.tests.unit.test_b" name="test_later"><skipped message="some day"/></testcase>
<testcase classname="nova.tests.unit.test_a" name="test_works"/>
</testsuite></testsuites>'''
LIST = '''# comment
nova.tests.integration.* | something is missing on this machine
'''


@pytest.mark.parametrize('ci, refused', [
    pytest.param('', ['nova.tests.unit.test_b.test_later: some day'], id='on a desk the list counts'),
    pytest.param('true', ['nova.tests.integration.test_guests.TestGuests.test_boot: no QEMU',
                          'nova.tests.unit.test_b.test_later: some day'], id='in CI it does not'),
])
def test_skips_that_may_be(tmp_path, monkeypatch, capsys, ci, refused):
    monkeypatch.setenv('CI', ci)
    (tmp_path / 'report.xml').write_text(REPORT)
    (tmp_path / 'list').write_text(LIST)
    assert skips.main(tmp_path / 'list', tmp_path / 'report.xml') == 1
    assert capsys.readouterr().out.splitlines() == [f'skipped, and must not be: {line}' for line in refused]


def test_a_directory_is_a_group_and_a_large_one_is_cut(tmp_path):
    names = ['test_top.py', 'one/test_a.py', 'one/test_b.py', 'one/helper.py']
    names += [f'many/test_{number:02}.py' for number in range(parallel_tests.LARGEST + 1)]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / 'one/test_long.py').write_text('TAKES_S = 100\n')
    groups = {name.removeprefix(f'{tmp_path}/'): len(paths) for name, paths in parallel_tests.groups_of(tmp_path)}
    assert groups == {'test_top.py': 1, 'one': 2, 'one/test_long.py': 1,
                      'many (1/2)': parallel_tests.LARGEST, 'many (2/2)': 1}
