# SPDX-License-Identifier: Apache-2.0
"""The documentation names what there is: all actions, all steps, options that exist, the whole contract of drivers."""

import importlib
import pathlib
import re

import pytest

from nova.compute import manager as compute_manager
from nova.compute import states
from nova.conductor import manager as conductor_manager
from nova.virt import driver, fake

ROOT = pathlib.Path(__file__).resolve().parents[4]
SOURCE = ROOT / 'doc' / 'source'
ACTIONS = SOURCE / 'admin' / 'actions'


def _load(name):
    """An extension of the pages; they find each other as Sphinx lets them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SOURCE / '_ext')
        return importlib.import_module(name)


support_matrix = _load('support_matrix')


def _arguments(directive):
    """[(word, page)] of all uses of a directive on the pages of actions; an argument may go on in further lines."""
    pattern = re.compile(rf'^\.\. {directive}::(.*(?:\n +\S.*)*)', re.MULTILINE)
    return [(word, page.name) for page in sorted(ACTIONS.glob('*.rst'))
            for found in pattern.findall(page.read_text()) for word in found.split()]


# Actions -------------------------------------------------------------------------------------------------------------

def test_every_action_of_the_state_table_is_on_one_page():
    assert sorted(name for name, _page in _arguments('server-actions')) == sorted(states.ACTIONS)


def test_every_order_that_a_service_carries_out_is_a_step_on_some_page():
    orders = {'nova-conductor.schedule_and_build_instances'}
    for binary, concerns in (('nova-compute', compute_manager.CONCERNS), ('nova-conductor', conductor_manager.TASKS)):
        orders |= {f'{binary}.{body.order[0]}' for concern in concerns for body in vars(concern).values()
                   if getattr(body, '__module__', None) == concern.__name__ and hasattr(body, 'order')}
    assert {step for step, _page in _arguments('server-steps')} == orders


def test_every_page_is_in_the_contents():
    index = (ACTIONS / 'index.rst').read_text()
    assert [page.stem for page in ACTIONS.glob('*.rst')
            if page.stem != 'index' and f'\n   {page.stem}\n' not in index] == []


# Options -------------------------------------------------------------------------------------------------------------

def _known_options():
    """{(group, option)} of the sample, which is generated from the code."""
    found, group = set(), None
    for line in (ROOT / 'etc' / 'nova' / 'nova.conf.sample').read_text().splitlines():
        if line.startswith('['):
            group = line.strip('[] ')
        elif match := re.match(r'#?([a-z0-9_]+) =', line):
            found.add((group, match[1]))
    return found


_KNOWN = _known_options()


def _unknown_options(text):
    """Options that a text names as ``[group] option`` or ``[group] option = value``, and that do not exist."""
    return [f'[{group}] {option}' for group, option in re.findall(r'``\[(\w+)\]\s*(\w+)[^`]*``', text)
            if (group, option) not in _KNOWN]


@pytest.mark.parametrize('page', sorted(SOURCE.rglob('*.rst')), ids=lambda page: str(page.relative_to(SOURCE)))
def test_options_exist(page):
    assert _unknown_options(page.read_text()) == []


def test_an_option_that_does_not_exist_is_seen():
    assert _unknown_options('``[DEFAULT] shutdown_timeout``, ``[libvirt]no_such_thing``, ``[no] such = 1``') == [
        '[libvirt] no_such_thing', '[no] such']


# Support matrix ------------------------------------------------------------------------------------------------------

_FEATURES = [feature for features in support_matrix.FEATURES.values() for feature in features]


def test_the_whole_contract_is_in_the_matrix_or_plumbing():
    methods = {name for name, value in vars(driver.ComputeDriver).items()
               if callable(value) and not name.startswith('_')}
    named = {name for feature in _FEATURES for name in feature.methods}
    assert named | support_matrix.PLUMBING == methods
    assert not named & support_matrix.PLUMBING


def test_every_capability_is_in_the_matrix():
    assert {name for feature in _FEATURES for name in feature.capabilities} == set(driver.ComputeDriver.capabilities)


class _Half(driver.ComputeDriver):
    capabilities = {**driver.ComputeDriver.capabilities, 'supports_shares': True}

    def pause(self, instance):
        """Does it."""

    def mount_share(self, context, instance, share_mapping):
        """Does it."""

    def umount_share(self, context, instance, share_mapping):
        """Does it."""


@pytest.mark.parametrize('cls, feature, says', [
    (_Half, 'Shared file systems', 'yes'),
    (_Half, 'Pause, unpause', 'partly, without unpause'),
    (_Half, 'Reboot', 'no'),
    (_Half, 'Soft delete, restore', 'no: nova-compute powers it off; nova-compute powers it on'),
    (_Half, 'Images: raw', 'no'),
    (fake.FakeDriver, 'Images: raw', 'yes'),
    (fake.FakeDriver, 'Pause, unpause', 'yes'),
    # What a driver need not have does not count where it has the rest.
    (fake.FakeDriver, 'Live migration', 'yes'),
])
def test_what_a_cell_says(cls, feature, says):
    assert support_matrix.support(cls, next(each for each in _FEATURES if each.name == feature)) == says
