# SPDX-License-Identifier: Apache-2.0
"""Changes of data that are made while the service runs, in batches, between two of its releases.

A schema migration must be quick; what takes long (filling a new column of a large table) is a function in `MIGRATIONS`
and stays there until the release after the next, by when operators have run `nova-manage db online_data_migrations`.
"""

#: {name: function(context, max_count) -> (rows that were found, rows that were changed)}; the tables are as new as the
#: code, so that there is nothing to change yet.
MIGRATIONS = {}


def run(context, max_count=None, progress=None):
    """Change what is left, in batches of 50 rows; {name: [found, changed]}.

    :param max_count: rows to change at most, over all migrations; None: until nothing is found.
    :param progress: called with the number of rows changed so far.
    """
    totals, changed_in_all = {}, 0
    for name, migrate in MIGRATIONS.items():
        total = totals.setdefault(name, [0, 0])
        while max_count is None or changed_in_all < max_count:
            batch = 50 if max_count is None else min(50, max_count - changed_in_all)
            found, changed = migrate(context, batch)
            total[0], total[1] = total[0] + found, total[1] + changed
            changed_in_all += changed
            if progress:
                progress(changed_in_all)
            if not changed:
                break
    return totals
