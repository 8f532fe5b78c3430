# SPDX-License-Identifier: Apache-2.0
"""Shares of the Shared File Systems service, asked as the service user."""

import contextlib
import functools
import time

from keystoneauth1 import adapter
from keystoneauth1 import exceptions as ks_exceptions
from keystoneauth1 import loading as ks_loading

from nova import concurrency, conf
from nova.share.record import Share, ShareNotFound, ShareServiceFailed

CONF = conf.CONF
_GROUP = 'manila'
#: The version of its API that has /share-access-rules.
_VERSION = '2.45'
_POLL_S = 0.5


@contextlib.contextmanager
def _errors(share_id):
    """Turn the client's errors into ours."""
    try:
        yield
    except (ks_exceptions.NotFound, ks_exceptions.Forbidden) as exc:
        raise ShareNotFound(share_id=share_id) from exc
    except (ks_exceptions.ClientException, OSError) as exc:
        raise ShareServiceFailed(reason=str(exc)) from exc


class Shares:
    """A client of the service.  Every method waits for the network."""

    @functools.cached_property
    def _client(self):
        conf.register_late(CONF, _GROUP)
        settings = CONF.manila
        auth = ks_loading.load_auth_from_conf_options(CONF, _GROUP)
        session = ks_loading.load_session_from_conf_options(CONF, _GROUP, auth=auth)
        return adapter.Adapter(session, service_type=settings.service_type, region_name=settings.region_name,
                               interface=list(settings.valid_interfaces), endpoint_override=settings.endpoint_override,
                               additional_headers={'X-OpenStack-Manila-API-Version': _VERSION,
                                                   'Accept': 'application/json'})

    def get(self, share_id):
        with _errors(share_id):
            found = self._client.get(f'/shares/{share_id}').json()['share']
            exports = self._client.get(f'/shares/{share_id}/export_locations').json()['export_locations']
        exports.sort(key=lambda export: not export.get('preferred', False))
        return Share(id=found['id'], project_id=found.get('project_id'), status=found['status'],
                     protocol=found['share_proto'].upper(), export_location=exports[0]['path'] if exports else None,
                     is_public=bool(found.get('is_public')))

    def _rule(self, share_id, access_type, access_to):
        """The access rule, or None."""
        rules = self._client.get('/share-access-rules', params={'share_id': share_id}).json()['access_list']
        return next((rule for rule in rules if (rule['access_type'], rule['access_to']) == (access_type, access_to)),
                    None)

    def _order(self, share_id, action):
        self._client.post(f'/shares/{share_id}/action', json=action)

    def allow(self, share_id, access_type, access_to):
        with _errors(share_id):
            if self._rule(share_id, access_type, access_to) is None:
                self._order(share_id, {'allow_access': {'access_type': access_type, 'access_to': access_to,
                                                        'access_level': 'rw'}})
            self._wait(lambda: (self._rule(share_id, access_type, access_to) or {}).get('state'), 'active')

    def deny(self, share_id, access_type, access_to):
        with _errors(share_id), contextlib.suppress(ks_exceptions.NotFound):
            rule = self._rule(share_id, access_type, access_to)
            if rule is not None:
                self._order(share_id, {'deny_access': {'access_id': rule['id']}})
                self._wait(lambda: (self._rule(share_id, access_type, access_to) or {}).get('state'), None)

    @staticmethod
    def _wait(state, wanted):
        """Wait until a rule has the state.  Raises ShareServiceFailed when it does not come."""
        until = time.monotonic() + CONF.manila.share_apply_policy_timeout
        while (found := state()) != wanted:
            if found == 'error' or time.monotonic() > until:
                raise ShareServiceFailed(reason=f'the access rule is {found}, not {wanted}')
            concurrency.sleep(_POLL_S)
