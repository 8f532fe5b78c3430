# SPDX-License-Identifier: Apache-2.0
"""Health checks of processes that have the databases."""

from nova import context, db


def database():
    """Ask both databases for nothing.  Raises what they raise."""
    ctxt = context.get_admin_context()
    with db.session.reader(ctxt) as conn:
        conn.exec_driver_sql('SELECT 1')
    if db.session.api_url() != db.session.main_url():
        with db.session.api_reader(ctxt) as conn:
            conn.exec_driver_sql('SELECT 1')
    return 'answers'
