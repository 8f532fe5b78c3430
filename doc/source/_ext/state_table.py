# SPDX-License-Identifier: Apache-2.0
"""`.. state-table::` renders `nova.compute.states.ACTIONS`: the page cannot say anything else than the code does."""

import tables
from docutils.parsers.rst import Directive

from nova.compute import states

HEAD = ('Action', 'Allowed in', 'While', 'Meanwhile', 'Ends in', 'If it fails', 'Needs')

_SHARES = {states.NO_SHARES: 'no shares', states.SOUND_SHARES: 'no share in error'}


def needs(action):
    return ', '.join(filter(None, ('launched once' if action.launched else '', 'not locked' if action.lock else '',
                                   {'needed': 'a host', 'up': 'a host that is up'}.get(action.host, ''),
                                   _SHARES.get(action.shares, ''))))


def _row(action):
    return (action.name, 'any' if action.vm is None else ', '.join(action.vm),
            'any' if action.tasks is None else ', '.join(task or 'nothing' for task in action.tasks),
            ', '.join(action.meanwhile), action.ends or 'unchanged', action.fails or 'unchanged', needs(action))


class StateTable(Directive):
    """The table of actions and states."""

    def run(self):
        return [tables.table(HEAD, map(_row, states.ACTIONS.values()))]


def setup(app):
    app.add_directive('state-table', StateTable)
    return {'parallel_read_safe': True}
