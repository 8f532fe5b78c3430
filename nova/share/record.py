# SPDX-License-Identifier: Apache-2.0
"""What we know of a share, and what can go wrong with one."""

import dataclasses

from nova import exception

#: Protocols that hosts can mount.
PROTOCOLS = ('NFS', 'CEPHFS')


@dataclasses.dataclass(frozen=True)
class Share:
    """`export_location` is None where it has none; `protocol` in capitals."""

    id: str
    project_id: str | None
    status: str
    protocol: str
    export_location: str | None
    is_public: bool = False


class ShareNotFound(exception.NotFound):
    msg_fmt = 'Share %(share_id)s could not be found.'


class SharesNotSupported(exception.NotAuthorized):
    msg_fmt = 'Shares cannot be used here: %(reason)s'


class ShareServiceFailed(exception.NeighbourUnavailable):
    msg_fmt = 'The service of shared file systems does not answer: %(reason)s'
