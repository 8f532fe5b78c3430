# SPDX-License-Identifier: Apache-2.0
"""Images: a client of the Image service, and a store of our own where there is none.

Callers use `nova.image.API()`.  Whatever the backend, no image whose content is not what its record says, or that
names another file, passes this door (`format_inspect`).
"""

from nova.image.api import API

__all__ = ['API']
