# SPDX-License-Identifier: Apache-2.0
"""The front doors of a site that has no Keystone, Glance or Neutron.

`/identity/v3`, `/image/v2` and `/network/v2.0` speak as much of those services' APIs as stock clients need, over our
own users file, image store and networks.  A door is a table of routes (`routing`); it decides nothing that the room
behind it does not.  Where the real service exists, configuration points clients to it and these are switched off.
"""
