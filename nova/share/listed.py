# SPDX-License-Identifier: Apache-2.0
"""Shares that an operator names in a file, where there is no service of shared file systems.

    f3b5c8de-0a34-4f08-9b0e-6e6d3b6d4c51:
        project_id: 6f70656e737461636b20342065766572
        protocol: NFS
        export_location: 192.0.2.10:/exports/data

Who may mount what is decided on the file server.
"""

import yaml

from nova import exception
from nova.conf import CONF
from nova.share.record import Share, ShareNotFound


class Shares:
    """The file is read anew for each question, so that an operator can add to it at any time."""

    def get(self, share_id):
        row = self._read().get(share_id)
        if row is None:
            raise ShareNotFound(share_id=share_id)
        return Share(id=share_id, project_id=row.get('project_id'), status=row.get('status', 'available'),
                     protocol=str(row.get('protocol', 'NFS')).upper(), export_location=row.get('export_location'),
                     is_public=bool(row.get('is_public', False)))

    def _read(self):
        if not CONF.manila.shares_file:
            raise exception.ConfigInvalid(option='[manila] shares_file', reason='it is not set.')
        try:
            with open(CONF.manila.shares_file, encoding='utf-8') as file:
                found = yaml.safe_load(file) or {}
        except (OSError, yaml.YAMLError) as exc:
            raise exception.ConfigInvalid(option='[manila] shares_file', reason=str(exc)) from exc
        if not isinstance(found, dict) or not all(isinstance(row, dict) for row in found.values()):
            raise exception.ConfigInvalid(option='[manila] shares_file',
                                          reason=f'{CONF.manila.shares_file} is no map of ids to shares')
        return found

    def allow(self, share_id, access_type, access_to):
        """Nothing to do: the file server decides."""

    def deny(self, share_id, access_type, access_to):
        """Nothing to do, as above."""
