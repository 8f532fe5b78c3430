# SPDX-License-Identifier: Apache-2.0
"""The front doors of a site that has no Keystone, Glance, Neutron or Cinder.

`/identity/v3`, `/image/v2`, `/network/v2.0` and `/volume/v3` speak as much of those services' APIs as stock clients
need, over our own users file, image store, networks and volumes.  A door is a table of routes (`routing`); it decides
nothing that the room behind it does not.  Where the real service exists, configuration points clients to it and these
are switched off.
"""
