# SPDX-License-Identifier: Apache-2.0
import os
import shutil
import tempfile
import unittest

from nova import conf, privsep
from nova.privsep import path

CONF = conf.CONF


class PathCase(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.directory)
        CONF.set_override('instances_path', self.directory)
        self.addCleanup(CONF.clear_override, 'instances_path')
        if os.geteuid() != 0:
            # In this process, with the rights of the test.
            privsep.sys_admin_pctxt.set_client_mode(False)
            self.addCleanup(privsep.sys_admin_pctxt.set_client_mode, True)

    def at(self, *names):
        return os.path.join(self.directory, *names)

    def write(self, name, text):
        with open(self.at(name), 'w') as out:
            out.write(text)


class TestReadTail(PathCase):
    def test_the_end_of_a_file(self):
        self.write('log', '0123456789')
        for count, expected in ((3, b'789'), (10, b'0123456789'), (100, b'0123456789'), (0, b'')):
            self.assertEqual(expected, path.read_tail(self.at('log'), count))

    def test_no_file_is_nothing(self):
        self.assertEqual(b'', path.read_tail(self.at('log'), 3))

    def test_files_elsewhere_are_refused(self):
        os.symlink('/etc', self.at('etc'))
        for name in ('/etc/hostname', self.at('etc', 'hostname'), self.at('..', 'x'), 'hostname', '/'):
            with self.subTest(name), self.assertRaises(ValueError):
                path.read_tail(name, 3)

    def test_what_is_no_file_is_refused(self):
        os.mkfifo(self.at('pipe'))
        os.symlink('/etc/hostname', self.at('link'))
        for name in ('pipe', 'link', '.'):
            with self.subTest(name), self.assertRaises(ValueError):
                path.read_tail(self.at(name), 3)


class TestRemoveTree(PathCase):
    def test_it_goes_with_all_that_is_in_it(self):
        os.makedirs(self.at('a', 'b'))
        self.write('a/file', 'x')
        for _again in range(2):
            path.remove_tree(self.at('a'))
            self.assertFalse(os.path.exists(self.at('a')))

    def test_only_below_the_directory_that_was_said(self):
        os.makedirs(self.at('inner', 'keep'))
        self.write('file', 'x')
        os.symlink(self.at(), self.at('inner', 'up'))
        inner = self.at('inner')
        CONF.set_override('instances_path', inner)
        for victim in ('/etc', self.at(), inner, self.at('inner', '..', 'file'), self.at('inner', 'up'),
                       self.at('inner', 'up', 'file'), self.at('file'), 'keep'):
            with self.subTest(victim), self.assertRaises(ValueError):
                path.remove_tree(victim)
        self.assertEqual(['file', 'inner'], sorted(os.listdir(self.directory)))
        self.assertEqual(['keep', 'up'], sorted(os.listdir(inner)))
