# SPDX-License-Identifier: Apache-2.0
"""Tables of the pages that are rendered from the code: a directive says what the cells are, here they become nodes."""

from docutils import nodes


def table(head, rows, widths=None):
    """A table.

    :param head: what stands above each column.
    :param rows: of cells, each a text or a node.
    :param widths: the columns' shares of the width; equal ones unless given.
    """
    found = nodes.table()
    group = nodes.tgroup(cols=len(head))
    found += group
    for width in widths or [1] * len(head):
        group += nodes.colspec(colwidth=width)
    group += nodes.thead('', _row(head))
    group += nodes.tbody('', *map(_row, rows))
    return found


def _row(cells):
    return nodes.row('', *(nodes.entry('', cell if isinstance(cell, nodes.Node) else nodes.paragraph(text=cell))
                           for cell in cells))


def code(*names, before=''):
    """A paragraph of names out of the code, with commas between; `before` is a text that leads them in."""
    paragraph = nodes.paragraph(text=before)
    for index, name in enumerate(names):
        if index:
            paragraph += nodes.Text(', ')
        paragraph += nodes.literal(text=name)
    return paragraph
