# SPDX-License-Identifier: Apache-2.0
"""Continuing a sorted list after its marker."""

import sqlalchemy as sa


def after(keys):
    """The condition that a row comes after the marker.

    :param keys: [(column, 'asc' or 'desc', value of the marker)] in sort order; the last must be unique.  NULL sorts
        as each database does it: below everything on SQLite and MariaDB, above on PostgreSQL; a NULL marker value is
        compared by IS NULL, which keeps the pages complete where only few rows are NULL.
    """
    tests, equal = [], []
    for column, direction, value in keys:
        if value is None:
            beyond = column.is_not(None) if direction == 'asc' else sa.false()
            same = column.is_(None)
        else:
            beyond = column > value if direction == 'asc' else sa.or_(column < value, column.is_(None))
            same = column == value
        tests.append(sa.and_(*equal, beyond))
        equal.append(same)
    return sa.or_(*tests)
