# SPDX-License-Identifier: Apache-2.0
"""What the rest of the project asks about shares."""

from oslo_utils import importutils

from nova import exception
from nova.conf import CONF
from nova.share.record import PROTOCOLS, Share, ShareNotFound, SharesNotSupported

__all__ = ['API', 'PROTOCOLS', 'Share', 'ShareNotFound', 'SharesNotSupported']


class ShareUnusable(exception.Conflict):
    msg_fmt = 'Share %(share_id)s cannot be used: %(reason)s'


#: Value of [manila] backend -> its class, which is loaded when it is chosen.
BACKENDS = {'file': 'nova.share.listed.Shares', 'manila': 'nova.share.manila.Shares'}


class API:
    """Shares of the one source that is configured; without any, everything raises SharesNotSupported."""

    def __init__(self):
        self._known = None

    @property
    def _shares(self):
        # Built when first used: the options are read by then.
        if self._known is None:
            if not CONF.manila.backend:
                raise SharesNotSupported(reason='no service of shared file systems is configured')
            self._known = importutils.import_object(BACKENDS[CONF.manila.backend])
        return self._known

    def get(self, context, share_id):
        """A `Share` that the caller may see.  Raises ShareNotFound."""
        found = self._shares.get(share_id)
        if not found.is_public and not context.can_see(found.project_id):
            raise ShareNotFound(share_id=share_id)
        return found

    def get_usable(self, context, share_id):
        """The same, of one that a host can mount.  Raises ShareNotFound, ShareUnusable."""
        found = self.get(context, share_id)
        for wrong, reason in ((found.status != 'available', f'it is {found.status}, and must be available'),
                              (found.protocol not in PROTOCOLS,
                               f'its protocol is {found.protocol}, and must be {" or ".join(PROTOCOLS)}'),
                              (not found.export_location, 'it has no export location')):
            if wrong:
                raise ShareUnusable(share_id=share_id, reason=reason)
        return found

    def allow(self, context, share_id, protocol):
        """Let this host mount a share; waits until it may.  Again changes nothing.  Raises ShareServiceFailed."""
        self._shares.allow(share_id, *_access(protocol))

    def deny(self, context, share_id, protocol):
        """Take that back.  What is not allowed is no error."""
        self._shares.deny(share_id, *_access(protocol))


def _access(protocol):
    """(type, to whom) of the access rule for this host."""
    return ('cephx', CONF.manila.cephx_user) if protocol == 'CEPHFS' else ('ip', CONF.my_ip)
