# SPDX-License-Identifier: Apache-2.0
"""Copies of images that nobody uses do not stay on a host for ever."""

import os

import pytest

from nova import manager
from nova.compute.manager import ComputeManager
from nova.conf import CONF
from nova.tests import database as make
from nova.virt.libvirt import driver, imagecache, paths

USED, UNUSED = (imagecache.name_of(image_id) for image_id in ('image', 'another'))


@pytest.fixture
def host(database):
    os.makedirs(paths.cache())
    for name in (USED, UNUSED):
        path = paths.cache(f'{name}.new')
        open(path, 'w').close()
        imagecache._keep(name, path, 'raw', 0)
        os.utime(paths.cache(name), (1, 1))
    made = ComputeManager.__new__(ComputeManager)
    made.host, made.driver = 'h1', driver.LibvirtDriver(None)
    return made


def test_the_cache_is_cleaned_of_what_no_server_of_the_host_uses(host):
    assert make.server().image_ref == 'image'
    periodic = manager._Periodic(host, 'clean_image_cache', **ComputeManager.clean_image_cache.periodic)
    periodic.run_once()
    assert [imagecache.find(name) is not None for name in (USED, UNUSED)] == [True, False]


@pytest.mark.parametrize('said, seconds', [(2400, 2400), (0, 60), (-1, -1)])
def test_how_often_is_said(said, seconds):
    CONF.set_override('manager_interval', said, 'image_cache')
    try:
        assert ComputeManager.clean_image_cache.periodic['spacing']() == seconds
    finally:
        CONF.clear_override('manager_interval', 'image_cache')
