# SPDX-License-Identifier: Apache-2.0
"""`.. guest-shapes::` renders `nova.virt.shapes`: each property of flavors and images that shapes a guest.

Its argument is the table: `honoured` (the default), `elsewhere` or `refused`.
"""

import tables
from docutils.parsers.rst import Directive

from nova.virt import shapes


def _honoured():
    yield 'Extra spec', 'Image property', 'Values', 'What it does', 'If both differ', 'In the domain'
    for shape in shapes.TABLE.values():
        yield (shape.flavor or '', shape.image or '', shape.kind.words, shape.says,
               shape.wins if shape.flavor and shape.image else '', shape.xml)


def _elsewhere():
    yield 'Property', 'Read by'
    yield from shapes.ELSEWHERE.items()


def _refused():
    yield 'Extra spec', 'Image property', 'What is said'
    for (flavor, image), reason in shapes.REFUSED.items():
        yield flavor or '', image or '', reason


TABLES = {'honoured': (_honoured, (4, 4, 4, 5, 2, 4)), 'elsewhere': (_elsewhere, (1, 1)),
          'refused': (_refused, (1, 1, 2))}


class GuestShapes(Directive):
    optional_arguments = 1

    def run(self):
        rows, widths = TABLES[self.arguments[0] if self.arguments else 'honoured']
        head, *body = rows()
        return [tables.table(head, body, widths)]


def setup(app):
    app.add_directive('guest-shapes', GuestShapes)
    return {'parallel_read_safe': True}
