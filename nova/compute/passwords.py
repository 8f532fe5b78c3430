# SPDX-License-Identifier: Apache-2.0
"""Passwords that are made for users."""

import random
import string

from nova.conf import CONF


def generate(length=None):
    """A random administrator password: letters and digits that are not mistaken for each other."""
    letters = ''.join(c for c in string.ascii_letters + string.digits if c not in 'Il1O0o')
    pick = random.SystemRandom().choice
    return ''.join(pick(letters) for _ in range(CONF.password_length if length is None else length))
