# SPDX-License-Identifier: Apache-2.0
"""Shared file systems that guests may have: of the Shared File Systems service, or named in a file.

    api = share.API()
    found = api.get(context, share_id)
    api.allow(context, found.id, found.protocol)
"""

from nova.share.api import API, Share, ShareNotFound, SharesNotSupported

__all__ = ['API', 'Share', 'ShareNotFound', 'SharesNotSupported']
