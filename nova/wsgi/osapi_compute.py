# SPDX-License-Identifier: Apache-2.0
"""The Compute API as a WSGI application: `application`, made when it is first asked for.

    uwsgi --module nova.wsgi.osapi_compute:application

Configuration files: OS_NOVA_CONFIG_FILES (separated by semicolons), or the usual places.
"""

from nova.wsgi import deployed


def __getattr__(name):
    if name == 'application':
        globals()[name] = deployed.application('osapi_compute')
        return globals()[name]
    raise AttributeError(name)
