# SPDX-License-Identifier: Apache-2.0
"""Signs of life as they are recorded in the `services` table by `nova.objects.Service.beat`."""

import datetime

from oslo_utils import timeutils

from nova.conf import CONF


def _seconds_since(moment):
    now = timeutils.utcnow()
    if moment.tzinfo is not None:
        now = now.replace(tzinfo=datetime.UTC)
    return (now - moment).total_seconds()


def down_time_s():
    """Seconds of silence after which a service is down.  Never so few that one late beat would do."""
    return max(CONF.service_down_time, 2 * CONF.report_interval)


class API:
    """Answers from the record at hand; asks nobody."""

    def service_is_up(self, service):
        """Whether the service gave a sign of life lately and was not forced down by an administrator."""
        if service.forced_down:
            return False
        seen = self.get_updated_time(service)
        # A sign of life out of the future is one of a clock that is wrong; a little is borne, as of the past.
        return seen is not None and abs(_seconds_since(seen)) <= down_time_s()

    def get_updated_time(self, service):
        """When the last sign of life was: an aware time, or None when there was none yet."""
        return service.last_seen_up
