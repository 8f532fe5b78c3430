# SPDX-License-Identifier: Apache-2.0
"""The scripts that run the tests: how they group files, run the groups, count, and which skips they let pass."""

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
    assert skips.main('check', tmp_path / 'list', tmp_path / 'report.xml') == 1
    assert capsys.readouterr().out.splitlines() == [f'skipped, and must not be: {line}' for line in refused]


ENDS = '''<testsuites><testsuite>
<testcase name="well"/><testcase name="well too"/>
<testcase name="as expected"><skipped type="pytest.xfail" message="known"/></testcase>
<testcase name="badly"><failure message="no"/></testcase>
<testcase name="not even begun"><error message="no"/></testcase>
<testcase name="not at all"><skipped type="pytest.skip" message="no QEMU"/></testcase>
</testsuite></testsuites>'''


def test_the_ends_are_counted_for_each_stage_and_for_all(tmp_path, capsys):
    for name, report in (('unit/one.xml', REPORT), ('unit/two.xml', ENDS), ('integration/one.xml', ENDS)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(report)
    (tmp_path / 'functional').mkdir()
    assert skips.main('count', tmp_path, 'unit', 'functional', 'integration') == 0
    assert capsys.readouterr().out.splitlines() == [
        'unit: 4 passed, 2 failed, 3 skipped', 'functional: 0 passed, 0 failed, 0 skipped',
        'integration: 3 passed, 2 failed, 1 skipped', 'tests: 7 passed, 4 failed, 4 skipped']


TESTS_OF_STAGES = {
    'unit/test_well.py': 'def test_it():\n    pass\n',
    'functional/test_counts.py': 'import os\ndef test_it():\n    assert os.environ["NOVA_API_COVERAGE"] == "here"\n',
    'integration/test_not.py': 'import os\ndef test_it():\n    assert "NOVA_API_COVERAGE" not in os.environ\n',
    'integration/test_badly.py': 'def test_it():\n    raise AssertionError\n',
}


def test_each_stage_has_its_own_end(tmp_path, monkeypatch, capsys):
    for name, text in TESTS_OF_STAGES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(parallel_tests, 'TESTS', tmp_path)
    monkeypatch.setenv('NOVA_API_COVERAGE', 'here')
    monkeypatch.setenv('NOVA_TEST_TEMPLATE', '')    # is set by the run, and put back afterwards
    reports, stages = tmp_path / 'reports', ('unit', 'functional', 'integration')
    monkeypatch.setattr('sys.argv', ['', *stages, '--reports', str(reports), '--processes', '2', '--',
                                     '--disable-plugin-autoload'])
    assert parallel_tests.main() == 1
    assert [(reports / stage / 'result').read_text().split()[0] for stage in stages] == ['passed', 'passed', 'FAILED']
    skips.main('count', reports, *stages)
    assert capsys.readouterr().out.splitlines()[-4:] == [
        'unit: 1 passed, 0 failed, 0 skipped', 'functional: 1 passed, 0 failed, 0 skipped',
        'integration: 1 passed, 1 failed, 0 skipped', 'tests: 3 passed, 1 failed, 0 skipped']


def test_a_group_that_is_stuck_is_ended_and_counts_as_a_failure(tmp_path):
    path = tmp_path / 'test_stuck.py'
    path.write_text('import time\ndef test_it():\n    time.sleep(300)\n')
    _name, status, output = parallel_tests.run((str(path), [path]), tmp_path, 1, [])
    assert (status, output.splitlines()[-1]) == (124, 'still not finished after 1 s')
    (report,) = tmp_path.glob('*.xml')
    assert skips.ends(report) == {'failed': 1}


def test_one_stage_after_the_other_and_the_longest_group_of_each_first(tmp_path, monkeypatch):
    for name, takes_s in (('unit/test_a', 1), ('unit/test_b', 5), ('integration/test_c', 2), ('integration/test_d', 9)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f'{name}.py').write_text(f'TAKES_S = {takes_s}\n')
    monkeypatch.setattr(parallel_tests, 'TESTS', tmp_path)
    ran = []
    monkeypatch.setattr(parallel_tests.Stage, 'run', lambda stage, group, *_: ran.append(pathlib.Path(group[0]).stem))
    parallel_tests.run_all([parallel_tests.Stage(name, tmp_path) for name in ('unit', 'integration')], 1, 1, [])
    assert ran == ['test_b', 'test_a', 'test_d', 'test_c']


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
