# SPDX-License-Identifier: Apache-2.0
"""The users file: what is wrong in it, and what is in force meanwhile."""

import os

import pytest

from nova import exception
from nova.api.standalone import users

FILE = '''
projects: {{demo: {{}}}}
users:
  alice: {{password: $2b$12$something, roles: {roles}}}
'''


@pytest.mark.parametrize('roles', ['[demo]', 'demo', '{demo: 5}', '{demo: [[member]]}', '{demo: [member: true]}'])
def test_roles_of_a_wrong_form_leave_what_was_said_before_in_force(tmp_path, roles):
    path = tmp_path / 'users.yaml'
    path.write_text(FILE.format(roles='{demo: [member]}'))
    watched = users.watched(str(path))
    before = watched.current(now=True)
    assert before.find_user(name='alice')
    path.write_text(FILE.format(roles=roles))
    os.utime(path, (1, 1))
    assert watched.current(now=True) is before
    with pytest.raises(exception.ConfigInvalid, match='users.alice.roles'):
        users.parse(path.read_text())


@pytest.mark.parametrize('roles, expected', [
    ('{demo: member}', ('member', 'reader')), ('{demo: [member, odd]}', ('member', 'odd', 'reader')), ('{demo: }', ()),
    ('{demo: []}', ()), ('{demo: [7]}', ('7',)), ('{demo: {member}}', ('member', 'reader'))])
def test_roles_are_one_or_several(roles, expected):
    directory = users.parse(FILE.format(roles=roles))
    (found,) = directory.find_user(name='alice').roles.values()
    assert found == expected
