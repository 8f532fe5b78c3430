# SPDX-License-Identifier: Apache-2.0
"""The arrows are really held: each kind of breach is found, and what is right is left alone."""

import importlib.util
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[4]


def _load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


check_imports = _load(ROOT / 'tools' / 'check_imports.py')

CASES = {
    'eventlet elsewhere':
        ({'nova/virt/fake.py': 'import eventlet'},
         ['nova/virt/fake.py:1: eventlet may be imported only in nova.concurrency']),
    'eventlet in its place':
        ({'nova/concurrency.py': 'import eventlet.green'}, []),
    'SQLAlchemy in compute':
        ({'nova/compute/manager.py': 'from sqlalchemy import select'},
         ['nova/compute/manager.py:1: sqlalchemy may be imported only in nova.db, nova.objects']),
    'libvirt in its package, inside a function':
        ({'nova/virt/libvirt/host.py': 'def f():\n    import libvirt'}, []),
    'a driver that knows compute':
        ({'nova/virt/fake.py': 'from nova.compute import power', 'nova/compute/power.py': ''},
         ['nova/virt/fake.py:1: nova.virt.fake may not import nova.compute.power']),
    'names of states are for everybody':
        ({'nova/objects/instance.py': 'from nova.compute import vm_states', 'nova/compute/vm_states.py': ''}, []),
    'a hidden import':
        ({'nova/compute/api.py': 'def f():\n    from nova.compute import power', 'nova/compute/power.py': ''},
         [('nova/compute/api.py:2: nova.compute.api imports nova.compute.power inside a function: '
           'move the import up, or the code down')]),
    'a ring of three':
        ({'nova/a.py': 'from nova import b', 'nova/b.py': 'from nova import c', 'nova/c.py': 'import nova.a'},
         ['nova/a.py:1: a cycle: nova.a -> nova.b, nova.b -> nova.c, nova.c -> nova.a']),
    'for type checkers only':
        ({'nova/a.py': 'import typing\nif typing.TYPE_CHECKING:\n    from nova import b', 'nova/b.py': 'import nova.a'},
         []),
    'a service that imports tests':
        ({'nova/a.py': 'from nova.tests import harness', 'nova/tests/harness.py': ''},
         ['nova/a.py:1: nova.a imports tests']),
    'tests may do anything':
        ({'nova/tests/test_a.py': 'import eventlet\ndef f():\n    import nova.virt.fake', 'nova/virt/fake.py': ''}, []),
}


@pytest.mark.parametrize('files, expected', CASES.values(), ids=list(CASES))
def test_each_breach_is_found_and_nothing_else(tmp_path, files, expected):
    for name, text in {'nova/__init__.py': '', **files}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + '\n')
    assert list(check_imports.complaints(check_imports.load(tmp_path))) == expected
