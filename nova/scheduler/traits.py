# SPDX-License-Identifier: Apache-2.0
"""Traits that a server needs without anybody having named them: what its flavor and image want of a host.

What a host cannot make it refuses, and the next one is tried; so that a server is not sent there in the first place,
hosts that say what they can are asked for it.
"""

from nova import exception
from nova.conf import CONF
from nova.virt import shapes

#: Properties that every host says it can make, if it can.
ALWAYS = ('tpm_version', 'tpm_model', 'secure_boot')
#: Properties that are asked for with [scheduler]image_metadata_prefilter: not every driver tells of them.
OF_IMAGES = ('firmware_type', 'disk_bus', 'cdrom_bus', 'video_model', 'vif_model')
#: Formats of images that there are traits for.
IMAGE_FORMATS = frozenset(('ami', 'iso', 'ploop', 'qcow2', 'raw', 'vdi', 'vhd', 'vhdx', 'vmdk'))


def needed(spec):
    """The set of traits that follow from a request spec."""
    specs, properties = spec.flavor.extra_specs or {}, (spec.image.properties if spec.image is not None else None) or {}
    names = (*ALWAYS, *OF_IMAGES) if CONF.scheduler.image_metadata_prefilter else ALWAYS
    found = {_of_property(name, specs, properties) for name in names}
    if CONF.scheduler.query_placement_for_image_type_support:
        found.add(_of_format(spec))
    return found - {None}


def _of_property(name, specs, properties):
    shape = shapes.TABLE[name]
    if shape.flavor not in specs and shape.image not in properties:
        return None
    try:
        return shapes.trait(name, shapes.value(name, specs, properties))
    except exception.Invalid:
        # No host can make it; the one that is asked to says why.
        return None


def _of_format(spec):
    """Nothing for servers that boot from volumes: their images are not looked at by hosts."""
    disk_format = spec.image.disk_format if spec.image is not None and not spec.is_bfv else None
    return f'COMPUTE_IMAGE_TYPE_{disk_format.upper()}' if disk_format in IMAGE_FORMATS else None
