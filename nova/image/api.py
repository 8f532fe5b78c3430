# SPDX-License-Identifier: Apache-2.0
"""What the rest of the project asks about images."""

from oslo_utils import importutils

from nova import conf
from nova.image import local

CONF = conf.CONF

#: Value of [image] backend -> its class, which is loaded when it is chosen.
BACKENDS = {'local': 'nova.image.local.LocalStore', 'glance': 'nova.image.glance.GlanceStore'}


def image_id_of(reference):
    """The id in an image reference: the reference itself, or the last part of an image's URL."""
    return str(reference).rstrip('/').rpartition('/')[2]


class API:
    """Images, wherever they are kept.  Records are dicts, see `nova.image.record`.

    Every method takes the id of an image, or its URL.  An image that the caller may not see is ImageNotFound.
    """

    def __init__(self, backend=None):
        self._backend = backend

    @property
    def backend(self):
        # Built when first used: the options are read by then.
        if self._backend is None:
            self._backend = importutils.import_object(BACKENDS[CONF.image.backend])
        return self._backend

    def get(self, context, id_or_uri, include_locations=False, show_deleted=True):
        """The record of one image.

        :raises ImageNotFound: there is none, or not for the caller.
        """
        record = self.backend.show(context, image_id_of(id_or_uri))
        return dict(record, locations=[]) if include_locations else record

    show = get

    def get_all(self, context, filters=None, sort_keys=('created_at',), sort_dirs=('desc',), limit=None, marker=None,
                **more_filters):
        """The images that the caller sees, newest first unless asked otherwise.

        :raises Invalid: a filter, sort key or marker is wrong.
        """
        return self.backend.list(context, {**(filters or {}), **more_filters}, sort_keys, sort_dirs, limit, marker)

    list = get_all

    def create(self, context, image_info, data=None):
        """Record a new image; with `data` (a file object or an iterator of bytes) it is active afterwards.

        :raises Invalid, ImageNotAuthorized, ImageUnacceptable: nothing is left.
        """
        return self.backend.create(context, image_info, data)

    def update(self, context, id_or_uri, image_info, data=None, purge_props=False):
        """Change a record: the fields that are given, and the properties (all of them, with `purge_props`).

        With `data`, an image that has no content gets it.

        :raises ImageNotFound, ImageNotAuthorized, Invalid, ImageUnacceptable
        """
        return self.backend.update(context, image_id_of(id_or_uri), image_info, data, purge_props)

    def delete(self, context, id_or_uri):
        """Remove an image.

        :raises ImageNotFound, ImageNotAuthorized
        """
        self.backend.delete(context, image_id_of(id_or_uri))

    def download(self, context, id_or_uri, data=None, dest_path=None):
        """Get the content of an image.  Blocks while it moves, but lets other work run.

        With `dest_path` it is inspected, and is there whole or not at all; the `Inspection` (format, virtual_size and
        size in bytes) comes back.  With `data` it is written to that file object.  With neither an iterator of bytes
        comes back.

        :raises ImageUnacceptable: the content is not what its record says, or was damaged on the way.
        :raises ImageNotActive: there is no content.
        """
        image_id = image_id_of(id_or_uri)
        if dest_path is not None:
            return self.backend.fetch(context, image_id, dest_path)
        content = self.backend.download(context, image_id)
        if data is None:
            return content
        for chunk in content:
            data.write(chunk)

    def data_path(self, context, id_or_uri):
        """Path of the content on this machine if the store is one, else None.

        For who would copy it anyway (an image cache); it is opened for reading only, by the recorded format only, and
        after `format_inspect.inspect_file`.
        """
        if not isinstance(self.backend, local.LocalStore):
            return None
        return self.backend.data_path(context, image_id_of(id_or_uri))


