# SPDX-License-Identifier: Apache-2.0
"""Is a disk image what it says it is, and does it stay within itself?

The format of an image is declared by its owner and decided here, once, from its content.  An image is refused when
the two differ, when it refers to a file outside of itself (backing file, data file, extent, parent), when it has a
feature we do not know, and when the disk that it describes is too large.  After that the format is passed on by name
for ever: nothing guesses it from bytes that a guest could have written.
"""

import struct

from oslo_utils import units
from oslo_utils.imageutils import format_inspector as oslo_inspector

from nova import conf, exception
from nova.image.formats import ACCEPTED, CHUNK, DISK_FORMATS, PLAIN, Inspection

CONF = conf.CONF

# The inspectors judge text (a VMDK's descriptor) by the first bytes they see: they get this much at first.
_HEAD = units.Mi

# A fixed VHD is a plain disk with this at its end.
_VHD_COOKIE = b'conectix'
_VHD_FIXED, _VHD_DYNAMIC = 2, 3
_VDI_DYNAMIC, _VDI_STATIC = 1, 2
_VHDX_FILE_PARAMETERS = 'CAA16737-FA36-4D43-B3B6-33F0AA44E76B'
_VHDX_HAS_PARENT = 2
_TAIL = 512
_HEADER = 512
#: Bytes that a file of the format has at least: its header.
_LEAST = {'qcow2': 72, 'vhd': 512, 'vdi': 512, 'vhdx': 192 * units.Ki}


class Inspector:
    """Looks at an image while it passes by.

    Feed it all of the content in order, then ask for the `verdict`.  `check` may be asked at any time, and refuses as
    soon as the beginning shows that the image cannot be taken.  Keeps little: a few regions of the file, 2 MiB at most.
    """

    def __init__(self, image_id, declared_format):
        """:raises InvalidDiskFormat: no image may be declared as this."""
        if declared_format not in ACCEPTED:
            raise exception.InvalidDiskFormat(
                f'disk_format: {declared_format!r} is not one of {", ".join(DISK_FORMATS)}.')
        self.image_id = image_id
        self.declared = declared_format
        self.size = 0
        self._head = bytearray()
        self._tail = b''
        self._live = [_OURS.get(name, cls)() for name, cls in oslo_inspector.ALL_FORMATS.items() if name != 'raw']
        self._open = list(self._live)
        self._checked = False

    def feed(self, chunk):
        """Look at the next bytes.

        :raises ImageUnacceptable: the file is larger than [image] max_size_gb.
        """
        self.size += len(chunk)
        if self.size > CONF.image.max_size_gb * units.Gi:
            raise self._refusal(f'it is larger than {CONF.image.max_size_gb} GiB')
        self._tail = chunk[-_TAIL:] if len(chunk) >= _TAIL else (self._tail + chunk)[-_TAIL:]
        if self._head is None:
            self._eat(chunk)
        else:
            self._head += chunk
            if len(self._head) >= _HEAD:
                self._eat_head()

    def _eat_head(self):
        head, self._head = bytes(self._head), None
        if len(head) < _HEADER and (head[:4] in (b'QFI\xfb', b'QED\0') or head[64:68] == b'\x7f\x10\xda\xbe'):
            # Cut off within its header: still no other format.
            head = head.ljust(_HEADER, b'\0')
        self._eat(head)

    def _eat(self, chunk):
        for inspector in self._open:
            try:
                inspector.eat_chunk(chunk)
            except Exception as exc:  # noqa: BLE001  (whatever a parser of hostile bytes stumbles over)
                self._drop(inspector, exc)
        self._open = [inspector for inspector in self._open if inspector in self._live and not inspector.complete]

    def _drop(self, inspector, exc):
        # A parser that stumbles is how most formats say "this is not mine".  If it carries the name that was declared
        # the image is broken; for any other it is ruled out.
        if self.declared == inspector.NAME:
            raise self._refusal(f'its content is not {self.declared} ({exc})') from exc
        self._live.remove(inspector)

    @property
    def decided(self):
        """Whether the rest of the content cannot change the verdict (a fixed VHD excepted)."""
        return self._head is None and not self._open and self.declared != 'vhd'

    def check(self):
        """Refuse now what can be refused now; costs nothing once that has been decided.

        :raises ImageUnacceptable: as `verdict`.
        """
        if not self._checked and self.decided:
            self.verdict()
            self._checked = True

    def verdict(self, size=None):
        """What the image is, as an `Inspection`; the content must be complete unless `decided`.

        :param size: bytes of the file, if not all of it was fed.
        :raises ImageUnacceptable: it is not what it was declared as, refers to another file, is malformed, or its disk
            is larger than [image] max_virtual_size_gb.
        """
        found = self._matching()
        names = {inspector.NAME for inspector in found} or {'raw'}
        if self.declared == 'vhd' and 'vhd' not in names:
            found, names = self._fixed_vhd(names)
        if (self.declared == 'iso' and 'iso' not in names) or not names <= ACCEPTED[self.declared]:
            raise self._refusal(
                f'its disk_format is {self.declared}, and its content is {" and ".join(sorted(names))}')
        size = self.size if size is None else size
        if size < _LEAST.get(self.declared, 0):
            raise self._refusal(f'it ends within its header, after {size} bytes')
        own = next((inspector for inspector in found if self.declared == inspector.NAME), None)
        virtual_size = self._checked_virtual_size(own, size)
        if virtual_size > CONF.image.max_virtual_size_gb * units.Gi:
            raise self._refusal(f'its disk has {virtual_size / units.Gi:,.0f} GiB, '
                                f'the most that is taken is {CONF.image.max_virtual_size_gb:,} GiB')
        return Inspection(self.declared, virtual_size, size)

    def _matching(self):
        if self._head is not None:
            self._eat_head()
        if not self.decided:
            for inspector in self._live:
                inspector.finish()
        found = []
        for inspector in self._live:
            try:
                # Also where the file ends in the middle of the header: it is no other format for that.
                if inspector.format_match:
                    found.append(inspector)
            except Exception as exc:
                # A parser that stumbles this late has seen signs of its format: do not pass what cannot be judged.
                raise self._refusal(f'its content cannot be inspected as {inspector.NAME} ({exc})') from exc
        return found

    def _fixed_vhd(self, names):
        if names <= PLAIN and self._tail.startswith(_VHD_COOKIE) and _vhd_type(self._tail) == _VHD_FIXED:
            return [], {'vhd'}
        return [], names

    def _checked_virtual_size(self, inspector, size):
        if inspector is None or inspector.NAME == 'iso':
            return size
        try:
            inspector.safety_check()
        except oslo_inspector.SafetyCheckFailed as exc:
            raise self._refusal('; '.join(str(failure) for failure in exc.failures.values())) from exc
        except oslo_inspector.ImageFormatError as exc:
            raise self._refusal(str(exc)) from exc
        try:
            reason = _PARENTS.get(inspector.NAME, _no_parent)(inspector)
            virtual_size = inspector.virtual_size
        except (struct.error, IndexError, ValueError, oslo_inspector.ImageFormatError) as exc:
            raise self._refusal(f'its header is malformed ({exc})') from exc
        if reason:
            raise self._refusal(reason)
        return virtual_size

    def _refusal(self, reason):
        return exception.ImageUnacceptable(image_id=self.image_id, reason=reason)


# Formats whose parents oslo.utils does not look for: each says why the image is refused, or None. ---------------------

def _no_parent(inspector):
    return None


def _vhd_type(footer):
    return struct.unpack('>I', footer[60:64])[0]


def _vhd_parent(inspector):
    kind = _vhd_type(inspector.region('header').data)
    if kind not in (_VHD_FIXED, _VHD_DYNAMIC):
        return f'it is a VHD of type {kind}; only fixed and dynamic ones stand alone'


def _vdi_parent(inspector):
    header = inspector.region('header').data
    kind = struct.unpack('<I', header[76:80])[0]
    if kind not in (_VDI_DYNAMIC, _VDI_STATIC):
        return f'it is a VDI of type {kind}; only dynamic and static ones stand alone'
    if any(header[424:440]):
        return 'it is a VDI with a parent'


def _vhdx_parent(inspector):
    flags = struct.unpack('<II', inspector.region('parameters').data)[1]
    if flags & _VHDX_HAS_PARENT:
        return 'it is a VHDX with a parent'


_PARENTS = {'vhd': _vhd_parent, 'vdi': _vdi_parent, 'vhdx': _vhdx_parent}


class _VHDXInspector(oslo_inspector.VHDXInspector):
    """Keeps the file parameters too: they say whether there is a parent."""

    def post_process(self):
        super().post_process()
        if self.has_region('metadata') and self.has_region('vds') and not self.has_region('parameters'):
            found = self._find_meta_entry(_VHDX_FILE_PARAMETERS)
            if found is None:
                raise oslo_inspector.ImageFormatError('no file parameters')
            self.new_region('parameters', oslo_inspector.CaptureRegion(found.offset, 8))


_OURS = {'vhdx': _VHDXInspector}


# Whole files ---------------------------------------------------------------------------------------------------------

def inspect_file(path, declared_format, image_id=None):
    """What the file is, as an `Inspection`.  Blocks on the disk; reads no more than it must.

    :raises ImageUnacceptable, InvalidDiskFormat: as `Inspector.verdict`.
    """
    inspector = Inspector(image_id or path, declared_format)
    with open(path, 'rb') as source:
        while chunk := source.read(CHUNK):
            inspector.feed(chunk)
            if inspector.decided:
                break
        size = source.seek(0, 2)
    if size > CONF.image.max_size_gb * units.Gi:
        raise exception.ImageUnacceptable(image_id=image_id or path,
                                          reason=f'it is larger than {CONF.image.max_size_gb} GiB')
    return inspector.verdict(size=size)


#: The name that the contract between our rooms uses.
inspect_and_refuse = inspect_file
