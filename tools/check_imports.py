#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Who may import whom: the arrows of the design, held by a program.

Reads every module of `nova` (without running any) and reports, with file and line:

* a cycle between modules;
* an import of `nova` inside a function, which is how a cycle is hidden;
* a module that names eventlet, SQLAlchemy or libvirt and is not of the few that may;
* an arrow that points upward: hypervisor drivers that import compute, anything that imports the API, and so on.

Tests may import everything; they are only asked not to be imported by anything else.
"""

import argparse
import ast
import pathlib
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]

#: External package -> where its name may stand.
OWNERS = {
    'eventlet': ('nova.concurrency',),
    'greenlet': ('nova.concurrency',),
    'libvirt': ('nova.virt.libvirt',),
    'sqlalchemy': ('nova.db', 'nova.objects'),
    'alembic': ('nova.db',),
}

#: Package of nova -> packages that it, and everything in it, must not import ('*': any).  A longer name decides before
#: a shorter one, and what is not named may import what it likes.
FORBIDDEN = {
    'exception': '*',
    'network.model': '*',
    'conf': 'api cmd compute conductor db image network objects scheduler virt volume',
    'privsep': 'api cmd compute conductor db image network objects scheduler virt volume',
    'messaging': 'api cmd compute conductor db image network objects scheduler virt volume',
    'db': 'api cmd compute conductor image network objects scheduler virt volume',
    'objects': 'api cmd compute conductor image scheduler virt volume',
    'virt': 'api cmd compute conductor db scheduler',
    'image': 'api cmd compute conductor db network scheduler virt',
    'volume': 'api cmd compute conductor db network scheduler virt',
    'network': 'api cmd compute conductor db scheduler virt',
    'scheduler': 'api cmd compute.manager compute.api conductor db image network virt volume',
    'conductor': 'api cmd compute.manager db virt',
    'compute': 'api cmd db',
    'api': 'cmd db virt',
}

#: Arrows that are right although a rule above says no: (from, to) -> the reason.
ALLOWED = {
    ('objects', 'compute.task_states'): 'names of states: constants that import nothing',
    ('objects', 'compute.vm_states'): 'names of states: constants that import nothing',
    ('compute.records', 'db'): 'runs where the database is: opens the one transaction of state, order and quota',
    ('scheduler', 'virt.shapes'): 'what flavors and images say: reads dictionaries, and imports nothing',
    ('network', 'compute.task_states'): 'names of states: constants that import nothing',
    ('network', 'compute.vm_states'): 'names of states: constants that import nothing',
}

#: Function-level imports of `nova` that hide no cycle: (from, to) -> the reason.
LAZY = {
    ('api.openstack.wsgi', 'api.openstack.compute'): 'looks for resources in the package; they import this module',
}


def within(name, package):
    return name == package or name.startswith(package + '.')


class Module:
    """A source file: its dotted name, and what it imports, as (line, name, at module level?)."""

    def __init__(self, path, root):
        parts = path.relative_to(root).with_suffix('').parts
        self.is_package = parts[-1] == '__init__'
        self.name = '.'.join(parts[:-1] if self.is_package else parts)
        self.path = path.relative_to(root)
        self.imports = []
        self._visit(ast.parse(path.read_text(), str(path)), top=True)

    def _visit(self, node, top):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                self.imports += [(child.lineno, alias.name, top, '') for alias in child.names]
            elif isinstance(child, ast.ImportFrom):
                self.imports += [(child.lineno, child.module or '', top, alias.name) for alias in child.names]
            elif isinstance(child, ast.If) and _is_type_checking(child.test):
                continue
            else:
                self._visit(child, top and not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda))


def _is_type_checking(test):
    return getattr(test, 'id', getattr(test, 'attr', None)) == 'TYPE_CHECKING'


def load(root):
    return {module.name: module
            for module in (Module(path, root) for path in sorted((root / 'nova').rglob('*.py')))}


def targets(module, modules):
    """[(line, imported module, at module level?)].

    `from package import name` means the module `package.name` if there is one, and the package otherwise.
    """
    found = []
    for line, name, top, member in module.imports:
        inner = f'{name}.{member}'
        found.append((line, inner if member and inner in modules else name, top))
    return found


def cycles(graph):
    """Groups of modules that import each other in a ring: strongly connected components, Tarjan's way."""
    index, low, on_stack, stack, rings = {}, {}, set(), [], []
    for start in sorted(graph):
        if start in index:
            continue
        work = [(start, iter(sorted(graph[start])))]
        index[start] = low[start] = len(index)
        stack.append(start)
        on_stack.add(start)
        while work:
            node, children = work[-1]
            advanced = False
            for child in children:
                if child not in index:
                    index[child] = low[child] = len(index)
                    stack.append(child)
                    on_stack.add(child)
                    work.append((child, iter(sorted(graph[child]))))
                    advanced = True
                    break
                if child in on_stack:
                    low[node] = min(low[node], index[child])
            if advanced:
                continue
            work.pop()
            if work:
                low[work[-1][0]] = min(low[work[-1][0]], low[node])
            if low[node] == index[node]:
                ring = []
                while True:
                    member = stack.pop()
                    on_stack.discard(member)
                    ring.append(member)
                    if member == node:
                        break
                if len(ring) > 1:
                    rings.append(sorted(ring))
    return rings


def short(name):
    """A module's name as the tables above have it."""
    return name.removeprefix('nova.')


def is_forbidden(name, target):
    """Whether the rule for a module (that of the longest package name it is in) forbids an import."""
    package = max((package for package in FORBIDDEN if within(short(name), package)), key=len, default=None)
    if package is None or within(short(target), package):
        return False
    if any(within(short(name), source) and within(short(target), goal) for source, goal in ALLOWED):
        return False
    return FORBIDDEN[package] == '*' or any(within(short(target), no) for no in FORBIDDEN[package].split())


def complaints(modules):
    """Every breach, as `file:line: sentence`."""
    graph = {name: set() for name in modules}
    is_test = {name: within(name, 'nova.tests') for name in modules}
    for name, module in modules.items():
        for line, target, top in targets(module, modules):
            where = f'{module.path}:{line}'
            outside = target.split('.', 1)[0]
            if is_test[name]:
                continue
            if outside in OWNERS and not any(within(name, owner) for owner in OWNERS[outside]):
                yield f'{where}: {outside} may be imported only in {", ".join(OWNERS[outside])}'
            if outside != 'nova':
                continue
            if within(target, 'nova.tests'):
                yield f'{where}: {name} imports tests'
            if not top and (short(name), short(target)) not in LAZY:
                yield f'{where}: {name} imports {target} inside a function: move the import up, or the code down'
            if is_forbidden(name, target):
                yield f'{where}: {name} may not import {target}'
            if top and target in modules and target != name:
                graph[name].add(target)
    for ring in cycles(graph):
        yield f'{modules[ring[0]].path}:1: a cycle: ' + ', '.join(
            f'{name} -> {", ".join(sorted(graph[name] & set(ring)))}' for name in ring)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('root', nargs='?', type=pathlib.Path, default=ROOT, help='source tree (default: this one)')
    root = parser.parse_args().root.resolve()
    began = time.monotonic()
    modules = load(root)
    found = list(complaints(modules))
    for text in found:
        print(text)
    print(f'check_imports: {len(modules)} modules, {len(found)} complaints, {time.monotonic() - began:.1f} s')
    return 1 if found else 0


if __name__ == '__main__':
    sys.exit(main())
