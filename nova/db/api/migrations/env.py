# SPDX-License-Identifier: Apache-2.0
"""Run by Alembic."""

from alembic import context

from nova.db import migration

migration.run(context.config)
