# SPDX-License-Identifier: Apache-2.0
import os
import threading
import time
from unittest import mock

from oslo_utils import units

from nova import exception
from nova.image import format_inspect
from nova.tests.unit.virt.libvirt import base
from nova.virt import images
from nova.virt.libvirt import diskinfo, imagebackend, imagecache, paths


class Store:
    """An image service with one image."""

    def __init__(self, path, disk_format):
        self.path, self.disk_format, self.fetched = path, disk_format, 0

    def get(self, context, image_id):
        return {'id': image_id, 'disk_format': self.disk_format}

    def download(self, context, image_id, dest_path):
        self.fetched += 1
        with open(self.path, 'rb') as source, open(dest_path, 'wb') as out:
            out.write(source.read())
        return format_inspect.inspect_file(dest_path, self.disk_format, image_id)


class CacheCase(base.LibvirtCase):
    def store(self, disk_format='qcow2', size=units.Mi):
        path = os.path.join(self.directory, 'image')
        if os.path.exists(path):
            os.unlink(path)
        images.create(path, disk_format, size)
        return Store(path, disk_format)

    def files(self):
        return sorted(os.listdir(paths.cache()))


class TestFetch(CacheCase):
    def test_an_image_is_fetched_once_and_raw(self):
        store = self.store()
        for _again in range(2):
            found = imagecache.fetch(self.context, store, 'i')
            self.assertEqual(imagecache.Cached(imagecache.name_of('i'), 'raw', units.Mi), found)
        self.assertEqual(1, store.fetched)
        self.assertEqual([found.name, f'{found.name}.json'], self.files())
        self.assertEqual(units.Mi, os.path.getsize(found.path))

    def test_qcow2_may_stay_what_it_is(self):
        self.options(force_raw_images=False)
        self.assertEqual('qcow2', imagecache.fetch(self.context, self.store(), 'i').format)

    def test_at_the_same_time_one_fetches(self):
        store = self.store()
        download = store.download

        def slow(*args, **kwargs):
            time.sleep(0.1)
            return download(*args, **kwargs)
        store.download = slow
        threads = [threading.Thread(target=imagecache.fetch, args=(self.context, store, 'i')) for _number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(1, store.fetched)

    def test_too_large_for_the_flavor_is_refused_before_and_after_it_is_cached(self):
        store = self.store()
        for _again in range(2):
            with self.assertRaises(exception.FlavorDiskSmallerThanImage):
                imagecache.fetch(self.context, store, 'i', max_size=units.Mi - 1)
        self.assertEqual(([], 2), (self.files(), store.fetched))
        imagecache.fetch(self.context, store, 'i')
        with self.assertRaises(exception.FlavorDiskSmallerThanImage):
            imagecache.fetch(self.context, store, 'i', max_size=units.Mi - 1)

    def test_a_copy_without_its_record_is_fetched_again(self):
        store = self.store()
        found = imagecache.fetch(self.context, store, 'i')
        os.unlink(f'{found.path}.json')
        imagecache.fetch(self.context, store, 'i')
        self.assertEqual(2, store.fetched)

    def test_a_failed_fetch_leaves_nothing(self):
        store = self.store()
        store.disk_format = 'raw'
        with self.assertRaises(exception.ImageUnacceptable):
            imagecache.fetch(self.context, store, 'i')
        self.assertEqual([], self.files())

    def test_a_kernel_is_taken_as_it_is_and_a_disk_is_no_kernel(self):
        store = self.store('raw')
        store.disk_format = 'aki'
        self.assertEqual('raw', imagecache.fetch_plain(self.context, store, 'k').format)
        with self.assertRaises(exception.ImageUnacceptable) as raised:
            imagecache.fetch_plain(self.context, self.store('qcow2'), 'd')
        self.assertIn('qcow2', str(raised.exception))

    def test_empty_disks_are_made_once(self):
        first = imagecache.swap(2)
        made = os.stat(first.path).st_ino
        self.assertEqual((first, made), (imagecache.swap(2), os.stat(imagecache.swap(2).path).st_ino))


class TestClean(CacheCase):
    def setUp(self):
        super().setUp()
        store = self.store()
        for image_id in ('used', 'unused', 'below'):
            imagecache.fetch(self.context, store, image_id)
        self.server = base.make_server()
        os.makedirs(paths.of(self.server))
        diskinfo.record(self.server, 'disk', diskinfo.DiskInfo('qcow2', 1, imagecache.name_of('below'), 'raw'))

    def age(self, seconds):
        then = time.time() - seconds
        for name in self.files():
            os.utime(paths.cache(name), (then, then))

    def kept(self):
        return {image_id for image_id in ('used', 'unused', 'below') if imagecache.find(imagecache.name_of(image_id))}

    def test_only_what_is_old_and_unused_goes(self):
        self.assertEqual([], imagecache.clean(['used']))
        self.age(25 * 3600)
        self.assertEqual([imagecache.name_of('unused')], imagecache.clean(['used']))
        self.assertEqual({'used', 'below'}, self.kept())

    def test_the_clock_of_what_is_used_starts_anew(self):
        self.age(25 * 3600)
        imagecache.clean(['used', 'unused'])
        self.assertEqual([], imagecache.clean([]))
        self.assertEqual({'used', 'unused', 'below'}, self.kept())

    def test_nothing_goes_when_that_is_the_option(self):
        self.options('image_cache', remove_unused_base_images=False)
        self.age(25 * 3600)
        self.assertEqual([], imagecache.clean([]))

    def test_what_a_dead_process_was_fetching_goes(self):
        part = paths.cache(f'{imagecache.name_of("x")}.part')
        with open(part, 'w') as out:
            out.write('x')
        imagecache.clean([])
        self.assertTrue(os.path.exists(part))
        self.age(7 * 3600)
        imagecache.clean([])
        self.assertFalse(os.path.exists(part))

    def test_a_download_that_ends_meanwhile_is_no_matter(self):
        self.age(25 * 3600)
        with open(paths.cache('image.part'), 'w'):
            entries = imagecache._files()
        os.rename(paths.cache('image.part'), paths.cache('image'))
        with mock.patch.object(imagecache, '_files', return_value=entries):
            self.assertEqual([imagecache.name_of('unused')], imagecache.clean(['used']))

    def test_no_cache_is_clean(self):
        self.options('image_cache', subdirectory_name='elsewhere')
        self.assertEqual([], imagecache.clean([]))


class TestBackends(CacheCase):
    def setUp(self):
        super().setUp()
        self.cached = imagecache.fetch(self.context, self.store(), 'i')
        self.path = os.path.join(self.directory, 'disk')

    def test_each_backend_makes_its_disk(self):
        cases = [('qcow2', 'qcow2', self.cached.name, self.cached.path), ('raw', 'raw', None, None),
                 ('flat', 'raw', None, None), ('default', 'qcow2', self.cached.name, self.cached.path)]
        for images_type, disk_format, base_name, backing_file in cases:
            with self.subTest(images_type):
                info = imagebackend.backend(images_type).create(self.path, self.cached, 2 * units.Mi)
                found = images.look(self.path, disk_format)
                self.assertEqual((disk_format, 2 * units.Mi, base_name), (info.format, info.size, info.base))
                self.assertEqual((2 * units.Mi, backing_file), (found.virtual_size, found.backing_file))
                os.unlink(self.path)

    def test_a_disk_is_never_smaller_than_its_image(self):
        info = imagebackend.backend('qcow2').create(self.path, self.cached, 0)
        self.assertEqual(units.Mi, info.size)

    def test_space_can_be_taken_at_once(self):
        self.options(preallocate_images='space')
        for images_type in ('raw', 'qcow2'):
            imagebackend.backend(images_type).create(self.path, self.cached, 2 * units.Mi)
            self.assertGreaterEqual(os.stat(self.path).st_blocks * 512, 2 * units.Mi)
            os.unlink(self.path)

    def test_no_disk_without_space(self):
        self.options(preallocate_images='space')
        with self.assertRaises(exception.NovaException):
            imagebackend.backend('raw').create(self.path, self.cached, 1 << 60)
        self.assertFalse(os.path.exists(self.path))

    def test_volumes_need_a_group(self):
        for name, reason in ((None, 'needs the name of a volume group'), ('a/b', 'no name of a volume group')):
            self.options('libvirt', images_type='lvm', images_volume_group=name)
            with self.assertRaisesRegex(exception.ConfigInvalid, rf'\[libvirt\]images_volume_group: .*{reason}'):
                imagebackend.backend()
        self.options('libvirt', images_volume_group='vg')
        self.assertEqual('raw', imagebackend.backend().format)

    def test_without_overlays_the_default_is_raw(self):
        self.options(use_cow_images=False)
        self.assertEqual('raw', imagebackend.backend().format)
