# SPDX-License-Identifier: Apache-2.0
"""The HTTP side of the APIs: `server` (our own server), and applications for others (uWSGI, gunicorn, mod_wsgi)."""
