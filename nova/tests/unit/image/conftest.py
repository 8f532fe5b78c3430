# SPDX-License-Identifier: Apache-2.0
"""Images made by qemu-img, and a store in a directory of the test."""

import subprocess

import pytest

from nova import conf
from nova import context as nova_context
from nova.image import local


@pytest.fixture
def options():
    """Set options for one test: options(group, name=value)."""
    def set_options(group, **values):
        for name, value in values.items():
            conf.CONF.set_override(name, value, group=group)
            changed.append((name, group))
    changed = []
    yield set_options
    for name, group in changed:
        conf.CONF.clear_override(name, group=group)


@pytest.fixture
def make_image(tmp_path):
    """make_image('a.qcow2', 'qcow2', '16M', 'preallocation=off', ...) -> path."""
    def make(name, fmt, size='16M', *options, args=()):
        path = tmp_path / name
        extra = ['-o', ','.join(options)] if options else []
        subprocess.run(['qemu-img', 'create', '-q', '-f', fmt, *extra, *args, str(path), size], check=True)
        return path
    return make


@pytest.fixture
def store(tmp_path):
    return local.LocalStore(str(tmp_path / 'store'))


@pytest.fixture
def user():
    return nova_context.RequestContext(user_id='u1', project_id='p1', roles=['member'], overwrite=False)


@pytest.fixture
def stranger():
    return nova_context.RequestContext(user_id='u2', project_id='p2', roles=['member'], overwrite=False)


@pytest.fixture
def admin():
    return nova_context.RequestContext(user_id='root', project_id='ops', roles=['admin'], overwrite=False)
