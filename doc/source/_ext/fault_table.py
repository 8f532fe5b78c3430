# SPDX-License-Identifier: Apache-2.0
"""`.. fault-table::` renders `nova.tests.functional.fault_rows`: what is on the page is what the tests see."""

from docutils import nodes
from docutils.parsers.rst import Directive

from nova.tests.functional import fault_rows

HEAD = ('Action', 'Step', 'Fault', 'Server is then', 'Action tells of', 'Migration')


def _cells(row):
    return (row.action, row.step, row.fault, row.ends or 'gone', row.says or 'success', row.migration)


class FaultTable(Directive):
    """The rows in their order."""

    def run(self):
        table = nodes.table()
        group = nodes.tgroup(cols=len(HEAD))
        table += group
        for _ in HEAD:
            group += nodes.colspec(colwidth=1)
        group += nodes.thead('', _row(HEAD))
        group += nodes.tbody('', *(_row(_cells(row)) for row in fault_rows.ROWS))
        return [table]


def _row(cells):
    return nodes.row('', *(nodes.entry('', nodes.paragraph(text=cell)) for cell in cells))


def setup(app):
    app.add_directive('fault-table', FaultTable)
    return {'parallel_read_safe': True}
