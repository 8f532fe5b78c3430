# SPDX-License-Identifier: Apache-2.0
"""How long an owner of work is believed to be alive without a sign of life."""

import datetime

from nova.db.types import utcnow


def until(seconds):
    """The moment a lease given now runs out."""
    return utcnow() + datetime.timedelta(seconds=seconds)


def since(seconds):
    """The moment that many seconds ago."""
    return utcnow() - datetime.timedelta(seconds=seconds)
