# SPDX-License-Identifier: Apache-2.0
"""Directives of the pages on server actions; they are rendered from the code, so that pages do not go stale.

`.. server-actions:: stop start`
    rows of the state table; a test looks that each row is on exactly one page.
`.. server-steps:: nova-compute.stop_instance …`
    who does which step, its name in the server's actions, and what it tells.
`.. server-tells:: instance.lock`
    further events that are told, of what is no order.
`.. server-faults:: stop start`
    the rows of the table of faults, all of which the functional tests run, that are about these actions.
"""

import tables
from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx import addnodes
from state_table import needs

from nova.compute import states
from nova.compute.manager import CONCERNS
from nova.conductor.manager import TASKS
from nova.conductor.tasks import build
from nova.notifications import table
from nova.tests.functional import fault_rows

_ACTIONS_HEAD = ('Action', 'Recorded as', 'Allowed in', 'While', 'Meanwhile', 'Ends in', 'If it fails', 'Needs')
_STEPS_HEAD = ('Step', 'Service', 'Recorded as', 'Tells')
_FAULTS_HEAD = ('Action', 'What fails', 'How', 'Status then', 'Migration')
_PAGE = 'reference/notifications'


def _bodies():
    """{(binary, order method): name of its event in the server's actions}."""
    found = {('nova-conductor', 'schedule_and_build_instances'): build.EVENT}
    for binary, concerns in (('nova-compute', CONCERNS), ('nova-conductor', TASKS)):
        for concern in concerns:
            for body in vars(concern).values():
                if getattr(body, '__module__', None) == concern.__name__ and hasattr(body, 'order'):
                    method, event = body.order
                    found[binary, method] = event or f'{binary.removeprefix("nova-")}_{method}'
    return found


class Actions(Directive):
    """Rows of the state table, by name; any number of arguments."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self):
        return [_table(_ACTIONS_HEAD, [self._row(name) for name in self.arguments[0].split()])]

    def _row(self, name):
        if name not in states.ACTIONS:
            raise self.error(f'server-actions: {name} is no row of nova.compute.states.ACTIONS')
        action = states.ACTIONS[name]
        return (tables.code(name), tables.code(action.record),
                'any state' if action.vm is None else tables.code(*action.vm),
                'any task' if action.tasks is None else _tasks(action.tasks),
                tables.code(*action.meanwhile), tables.code(action.ends) if action.ends else 'unchanged',
                tables.code(action.fails) if action.fails else 'unchanged', needs(action))


class Steps(Directive):
    """The orders that carry out an action, as `service.method`, in the order in which they are given."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self):
        bodies = _bodies()
        rows = []
        for text in self.arguments[0].split():
            binary, _dot, method = text.partition('.')
            if (binary, method) not in bodies:
                raise self.error(f'server-steps: no function of {binary} carries out {method}')
            told = table.OPERATIONS.get((binary, method))
            events = dict.fromkeys(filter(None, (told.event, told.end, told.error, told.undo)
                                          if told is not None else ()))
            rows.append((tables.code(method), binary, tables.code(bodies[binary, method]), _links(self, events)))
        return [_table(_STEPS_HEAD, rows)]


class Faults(Directive):
    """What was tried out of the faults of actions, by the actions' names in the state table."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self):
        records = {states.ACTIONS[name].record for name in self.arguments[0].split()}
        rows = [row for row in fault_rows.ROWS if fault_rows.ACTIONS[row.action].record in records]
        if not rows:
            raise self.error(f'server-faults: no fault of {self.arguments[0]} is in nova.tests.functional.fault_rows')
        return [_table(_FAULTS_HEAD, [self._row(*each) for each in _grouped(rows)])]

    @staticmethod
    def _row(action, fault, ends, migration, steps):
        return action, tables.code(*steps), fault, ends or 'gone', migration or 'none'


def _grouped(rows):
    """[(action, fault, end, migration, [steps])]: faults that end alike in one line."""
    found = {}
    for row in rows:
        found.setdefault((row.action, row.fault, row.ends, row.migration), []).append(row.step)
    return [(*key, list(dict.fromkeys(steps))) for key, steps in found.items()]


class Tells(Directive):
    """Events by name, with what they say."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self):
        found = nodes.bullet_list()
        for name in self.arguments[0].split():
            if name not in table.EVENTS:
                raise self.error(f'server-tells: {name} is no event of nova.notifications.table')
            paragraph = _links(self, [name])
            paragraph += nodes.Text(f': {table.EVENTS[name].says}')
            found += nodes.list_item('', paragraph)
        return [found]


def _links(directive, names):
    """A paragraph that names events, with links to where they are described."""
    docname = directive.state.document.settings.env.docname
    paragraph = nodes.paragraph()
    for name in names:
        if len(paragraph):
            paragraph += nodes.Text(', ')
        link = addnodes.pending_xref('', refdomain='std', reftype='doc', refexplicit=True, refwarn=True,
                                     refdoc=docname, reftarget=f'/{_PAGE}')
        link += nodes.literal(text=name)
        paragraph += link
    return paragraph


def _tasks(tasks):
    """More than a few are the rule: then the exceptions are said, if there are fewer."""
    if len(tasks) <= 10:
        return tables.code(*(task or 'nothing' for task in tasks))
    known = {value for name, value in vars(states.task).items() if name.isupper() and isinstance(value, str)}
    return tables.code(*sorted(known - set(tasks)), before='any but ')


def _table(head, rows):
    """A table in which each column has room for its longest word."""
    widths = []
    for column in zip(head, *rows, strict=True):
        texts = [cell if isinstance(cell, str) else cell.astext() for cell in column]
        widths.append(max((len(word) for text in texts for word in text.split()), default=1) + 2)
    return tables.table(head, rows, widths)


def setup(app):
    app.add_directive('server-actions', Actions)
    app.add_directive('server-steps', Steps)
    app.add_directive('server-tells', Tells)
    app.add_directive('server-faults', Faults)
    return {'parallel_read_safe': True}
