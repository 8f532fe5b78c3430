# SPDX-License-Identifier: Apache-2.0
"""Which services are up: `API().service_is_up(service)`."""

from nova.servicegroup.api import API, down_time_s

__all__ = ['API', 'down_time_s']
