# SPDX-License-Identifier: Apache-2.0
"""Images as files in a directory: <id> is the content, <id>.json the record.

Every process of the machine may use the directory at the same time: records change under one file lock, and a file
appears or changes by being renamed into its place.  A process that dies leaves at most a `.part`, which is cleared
by the next who comes to it.
"""

import contextlib
import datetime
import fcntl
import os

import orjson
from oslo_log import log as logging
from oslo_utils import timeutils

from nova import conf, exception
from nova.image import formats, transfer
from nova.image import record as image_record

CONF = conf.CONF
LOG = logging.getLogger(__name__)

_TIMES = ('created_at', 'updated_at')


class LocalStore:
    """The image service of a small site.  Every method blocks on the disk only.

    Records come out as `nova.image.record` describes them.  An image that the caller may not see does not exist for
    them (ImageNotFound); one they see and may not change is ImageNotAuthorized.
    """

    def __init__(self, path=None):
        self.path = os.path.abspath(path or CONF.image.store_path)
        self._seen = {}   # id -> (identity of the sidecar file, record)

    # Reading

    def show(self, context, image_id):
        """The record of one image.

        :raises ImageNotFound: there is none, or not for the caller.
        """
        record = self._load(image_id)
        if record is None or not image_record.visible(context, record):
            raise exception.ImageNotFound(image_id=image_id)
        return record

    def list(self, context, filters=None, sort_keys=('created_at',), sort_dirs=('desc',), limit=None, marker=None):
        """Records, as `nova.image.record.select` filters, sorts and pages them."""
        try:
            names = os.listdir(self.path)
        except FileNotFoundError:
            names = []
        ids = [name[:-5] for name in names if name.endswith('.json')]
        records = [record for record in map(self._load, ids) if record is not None]
        for gone in self._seen.keys() - set(ids):
            self._seen.pop(gone, None)
        return image_record.select(context, records, filters, sort_keys, sort_dirs, limit, marker)

    def data_path(self, context, image_id):
        """Path of the content, to be opened for reading and by the image's recorded format only.

        :raises ImageNotActive: it has no content; ImageNotFound: it had, and somebody has taken it away.
        """
        record = self.show(context, image_id)
        if record['status'] != 'active':
            raise exception.ImageNotActive(image_id=image_id)
        if not os.path.exists(self._file(image_id)):
            LOG.error('The content of image %s is not in %s any more', image_id, self.path)
            raise exception.ImageNotFound(image_id=image_id)
        return self._file(image_id)

    def download(self, context, image_id):
        """The content as an iterator of bytes; ends when the last is read."""
        return transfer.read(self.data_path(context, image_id))

    def fetch(self, context, image_id, dest_path):
        """Put the content at `dest_path`, whole or not at all; what it is comes back as an `Inspection`.

        :raises ImageUnacceptable: the content is not what its record says.
        """
        record = self.show(context, image_id)
        path = self.data_path(context, image_id)
        inspection = formats.inspect_file(path, record['disk_format'], image_id)
        transfer.copy_file(path, dest_path)
        return inspection

    # Changing

    def create(self, context, given, data=None):
        """Record a new image, and take its content if there is any.

        :raises Invalid, ImageNotAuthorized, ImageUnacceptable, Conflict: nothing is left then.
        """
        record = image_record.new(context, given)
        with self._locked():
            self._sweep()
            if os.path.exists(self._sidecar(record['id'])):
                raise exception.Conflict(reason=f'id: there is an image {record["id"]} already.')
            self._store(record)
        if data is None:
            return record
        try:
            return self.upload(context, record['id'], data)
        except BaseException:
            with self._locked():
                self._remove(record['id'])
            raise

    def update(self, context, image_id, given, data=None, purge_properties=False):
        """Change the record, and give the image its content if it has none and `data` is given.

        :raises Invalid, ImageNotAuthorized, ImageNotFound: nothing was changed.
        """
        with self._changing(context, image_id) as record:
            new = image_record.changed(context, record, given, purge_properties)
            if record['status'] != 'queued':
                for name in ('disk_format', 'container_format'):
                    if new[name] != record[name]:
                        raise exception.ImageNotAuthorized(f'{name}: it cannot be changed once the image has content.')
            record.update(new)
        return self.upload(context, image_id, data) if data is not None else self.show(context, image_id)

    def set_member(self, context, image_id, project_id, status):
        """Share an image with a project, change its answer, or stop (status None).

        :raises ImageNotFound, ImageNotAuthorized: the image is not the caller's to share.
        """
        with self._changing(context, image_id, member=project_id) as record:
            members = dict(record['members'])
            if status is None:
                members.pop(project_id, None)
            else:
                members[project_id] = status
            record['members'] = members

    def delete(self, context, image_id):
        """Remove an image and its content.

        :raises ImageNotAuthorized: it is protected, or not the caller's.
        """
        with self._locked():
            record = self._require_changeable(context, image_id)
            if record['protected']:
                raise exception.ImageNotAuthorized(f'Image {image_id} is protected and cannot be deleted.')
            self._remove(image_id)

    def finish_import(self, context, image_id):
        """Make the staged content of an image its content.

        :raises Conflict: nothing is staged.
        """
        with self._changing(context, image_id) as record:
            if record['status'] != 'uploading':
                raise exception.Conflict(reason=f'image {image_id} is {record["status"]}: no content is staged.')
            record['status'] = 'active'

    def set_downloadable(self, context, image_id, downloadable):
        """Let the content of an image out, or keep it in (administrators only).

        :raises Conflict: it has no content.
        """
        with self._changing(context, image_id) as record:
            if not context.is_admin:
                raise exception.ImageNotAuthorized(image_id=image_id)
            if record['status'] not in ('active', 'deactivated'):
                raise exception.Conflict(reason=f'image {image_id} is {record["status"]}.')
            record['status'] = 'active' if downloadable else 'deactivated'

    def upload(self, context, image_id, data, staged=False):
        """Take the content of an image that has none.

        :param data: a file object or an iterator of bytes.
        :param staged: keep it until `finish_import`.
        :raises ImageUnacceptable: the content is refused (D13); the image waits for another.
        :raises Conflict: the image has content, or is getting it from somebody else.
        """
        part = f'{self._file(image_id)}.part'
        with contextlib.ExitStack() as undo:
            with self._changing(context, image_id) as record:
                self._require_can_take_content(record)
                target = undo.enter_context(open(part, 'wb'))
                undo.callback(self._settle, image_id, target)
                # Held while we write: who finds it free knows that the writer died.
                fcntl.flock(target, fcntl.LOCK_EX | fcntl.LOCK_NB)
                record['status'] = 'saving'
            received = transfer.receive(data, target, formats.inspector(image_id, record['disk_format']))
            with self._locked():
                record = self._load(image_id)
                if record is None or not _is_at(part, target):  # deleted meanwhile
                    raise exception.ImageNotFound(image_id=image_id)
                os.replace(part, self._file(image_id))
                self._store(dict(record, status='uploading' if staged else 'active',
                                 size=received.inspection.size,
                                 virtual_size=received.inspection.virtual_size, checksum=received.checksum,
                                 os_hash_algo=transfer.HASH_ALGORITHM, os_hash_value=received.os_hash_value,
                                 updated_at=image_record.now()))
        LOG.info('Image %s has %d bytes of %s.', image_id, received.inspection.size, received.inspection.format)
        return self._load(image_id)

    def _require_can_take_content(self, record):
        if record['status'] == 'saving' and self._writer_died(record['id']):
            record['status'] = 'queued'
        if record['status'] != 'queued':
            raise exception.Conflict(reason=f'image {record["id"]} is {record["status"]}: content is taken once.')
        for name in ('disk_format', 'container_format'):
            if record[name] is None:
                raise exception.Conflict(reason=f'{name} of image {record["id"]} must be set before its content.')

    def _writer_died(self, image_id):
        try:
            with open(f'{self._file(image_id)}.part', 'rb') as part:
                fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return True
        except BlockingIOError:
            return False
        return True

    def _settle(self, image_id, target):
        """After an upload, however it ended: an image that got nothing waits again, without what came of it."""
        part = f'{self._file(image_id)}.part'
        with self._locked():
            if _is_at(part, target):
                transfer.remove(part)
            elif os.path.exists(part):  # another's by now, and so is the record
                return
            record = self._load(image_id)
            if record is not None and record['status'] == 'saving':
                self._store(dict(record, status='queued'))

    # Files

    def _file(self, image_id):
        if not image_record.is_id(image_id):
            raise exception.ImageNotFound(image_id=image_id)
        return os.path.join(self.path, image_id)

    def _sidecar(self, image_id):
        return f'{self._file(image_id)}.json'

    @contextlib.contextmanager
    def _locked(self):
        """Hold the store's lock.  No other work gets a turn in the block, so it is short."""
        os.makedirs(self.path, mode=0o750, exist_ok=True)
        with open(os.path.join(self.path, '.lock'), 'wb') as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @contextlib.contextmanager
    def _changing(self, context, image_id, member=None):
        """Yield a copy of the record that is stored when the block ends without an error."""
        with self._locked():
            record = dict(self._require_changeable(context, image_id, member))
            yield record
            self._store(dict(record, updated_at=image_record.now()))

    def _require_changeable(self, context, image_id, member=None):
        record = self.show(context, image_id)
        by_member = member is not None and member == context.project_id and image_record.is_member(context, record)
        if not by_member and not image_record.changeable(context, record):
            raise exception.ImageNotAuthorized(image_id=image_id)
        return record

    def _load(self, image_id):
        path = self._sidecar(image_id)
        try:
            stat = os.stat(path)
            identity = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
            seen = self._seen.get(image_id)
            if seen is not None and seen[0] == identity:
                return seen[1]
            with open(path, 'rb') as source:
                record = orjson.loads(source.read())
        except FileNotFoundError:
            return None
        for name in _TIMES:
            record[name] = timeutils.parse_isotime(record[name]).astimezone(datetime.UTC)
        self._seen[image_id] = (identity, record)
        return record

    def _store(self, record):
        path = self._sidecar(record['id'])
        part = f'{path}.part'
        with open(part, 'wb') as target:
            target.write(orjson.dumps(record, option=orjson.OPT_INDENT_2))
            target.flush()
            os.fsync(target.fileno())
        os.replace(part, path)

    def _remove(self, image_id):
        # First the record, so that the image is gone for everyone; the rest is swept if we die here.
        path = self._file(image_id)
        with contextlib.suppress(FileNotFoundError):
            os.replace(f'{path}.json', f'{path}.deleted')
        for suffix in ('', '.part', '.deleted'):
            transfer.remove(path + suffix)
        self._seen.pop(image_id, None)

    def _sweep(self):
        for name in os.listdir(self.path):
            if name.endswith('.deleted'):
                self._remove(name.removesuffix('.deleted'))


def _is_at(path, file):
    """Whether the open file is the one that has this name now."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False
