# SPDX-License-Identifier: Apache-2.0
"""`.. fault-table::` renders `nova.tests.functional.fault_rows`: what is on the page is what the tests see."""

import tables
from docutils.parsers.rst import Directive

from nova.tests.functional import fault_rows

HEAD = ('Action', 'Step', 'Fault', 'Server is then', 'Action tells of', 'Migration')


def _cells(row):
    return (row.action, row.step, row.fault, row.ends or 'gone', row.says or 'success', row.migration)


class FaultTable(Directive):
    """The rows in their order."""

    def run(self):
        return [tables.table(HEAD, map(_cells, fault_rows.ROWS))]


def setup(app):
    app.add_directive('fault-table', FaultTable)
    return {'parallel_read_safe': True}
