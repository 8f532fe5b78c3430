# SPDX-License-Identifier: Apache-2.0
"""Images of servers, and servers anew from images: createImage, createBackup, rebuild, shelve and unshelve."""

from nova.compute.verbs.base import Verbs


class ImageVerbs(Verbs):
    pass
