# SPDX-License-Identifier: Apache-2.0
"""Sorting a list, and continuing it after its marker.  NULL is below everything, whatever the database."""

import sqlalchemy as sa


def ordered(conn, column, direction):
    """What to ORDER BY."""
    expression = column.asc() if direction == 'asc' else column.desc()
    if conn.dialect.name != 'postgresql':
        return expression
    # The others have no words for it, and do so anyway.
    return expression.nulls_first() if direction == 'asc' else expression.nulls_last()


def after(keys):
    """The condition that a row comes after the marker.

    :param keys: [(column, 'asc' or 'desc', value of the marker)] in sort order; the last must be unique.
    """
    tests, equal = [], []
    for column, direction, value in keys:
        if value is None:
            beyond = column.is_not(None) if direction == 'asc' else sa.false()
            same = column.is_(None)
        else:
            # As a parameter: true and false written out cannot be compared.
            value = sa.literal(value, column.type)
            beyond = column > value if direction == 'asc' else sa.or_(column < value, column.is_(None))
            same = column == value
        tests.append(sa.and_(*equal, beyond))
        equal.append(same)
    return sa.or_(*tests)
