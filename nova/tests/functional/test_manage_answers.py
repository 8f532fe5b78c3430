# SPDX-License-Identifier: Apache-2.0
"""nova-manage on tables that nobody serves: what is wrong is said in a sentence, what is asked for by a program is for
a program.
"""

import json
import types

import pytest
import yaml

from nova.tests.functional import test_manage


@pytest.fixture(scope='module')
def tables(tmp_path_factory):
    """Something that has a `config`, as `test_manage.several` takes it; its tables are there."""
    directory = tmp_path_factory.mktemp('tables')
    config = directory / 'nova.conf'
    config.write_text(f'[DEFAULT]\nstate_path = {directory}\n')
    site = types.SimpleNamespace(config=config)
    assert {status for status, _out, _errors in test_manage.several(site, [['api_db', 'sync'], ['db', 'sync']])} == {0}
    return site


def made(**other):
    values = {'name': 'x', 'ram': 64, 'vcpus': 1, 'disk': 1, **other}
    return ['flavor', 'create', *(f'--{name}={value}' for name, value in values.items())]


#: (words, exit status, what stderr has to say)
WRONG = [
    (made(ram=-1), 2, '--ram'), (made(ram=0), 2, '--ram'), (made(vcpus=0), 2, '--vcpus'), (made(disk=-4), 2, '--disk'),
    (made(ephemeral=-1), 2, '--ephemeral'), (made(swap=-1), 2, '--swap'), (made(ram=2 ** 31), 2, '--ram'),
    (made(ram='lots'), 2, '--ram'), (made(name=' '), 1, 'name'), (made(property='bad'), 1, 'bad'),
    (['db', 'sync', 'nothing'], 1, 'nothing'), (['api_db', 'sync', 'nothing'], 1, 'nothing'),
    (['project', 'quota', 'p', '--key', 'cores'], 2, '--value'),
    (['project', 'quota', 'p', '--key', 'cores', '--value=-5'], 2, '--value'),
    (['network', 'create', '--label', 'x', '--cidr', '10.1.0.0/24', '--vlan', str(2 ** 70)], 1, 'vlan'),
    (['network', 'create', '--label', 'x', '--cidr', '10.1.0.0/24', '--bridge', 'br 0'], 1, 'bridge')]


def test_wrong_arguments_are_refused_with_a_sentence(tables, subtests):
    answers = test_manage.several(tables, [words for words, _status, _says in WRONG])
    for (words, status, says), (code, out, errors) in zip(WRONG, answers, strict=True):
        with subtests.test(' '.join(words)):
            assert (code, out) == (status, '')
            assert says in errors
            assert 'Traceback' not in errors


def test_nothing_wrong_was_stored(tables):
    (flavors, networks) = test_manage.several(tables, [['flavor', 'list', '-f', 'json'],
                                                       ['network', 'list', '-f', 'json']])
    assert (json.loads(flavors[1]), json.loads(networks[1])) == ([], [])


@pytest.mark.parametrize('words, rows', [
    ('db version', '0001'), ('api_db version', '0001'), ('claims check', []), ('scheduler explain --flavor one', []),
    ('flavor list', []), ('db purge --all', [])])
def test_a_program_gets_what_it_can_read(tables, words, rows):
    if 'explain' in words:
        test_manage.several(tables, [made(name='one', id='one')])
    as_json, as_yaml, as_csv, for_people = test_manage.several(tables, [
        [*words.split(), '-f', kind] for kind in ('json', 'yaml', 'csv', 'table')])
    if 'explain' in words:
        test_manage.several(tables, [['flavor', 'delete', 'one']])
    assert {code for code, _out, _errors in (as_json, as_yaml, as_csv, for_people)} == {0}, as_json
    assert json.loads(as_json[1]) == yaml.safe_load(as_yaml[1]) == rows
    assert as_csv[1].split() == ([rows] if rows else [])
    assert bool(for_people[1].strip()) == (words.split()[0] not in ('flavor', 'db') or 'version' in words)


def test_the_document_of_the_api_is_there_in_both_forms(tables):
    plain, as_json, as_yaml = test_manage.several(tables, [['api', 'openapi'], ['api', 'openapi', '-f', 'json'],
                                                           ['api', 'openapi', '-f', 'yaml']])
    assert plain == as_json
    assert json.loads(plain[1]) == yaml.safe_load(as_yaml[1])
