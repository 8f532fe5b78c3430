# SPDX-License-Identifier: Apache-2.0
"""`.. notification-events::` and `.. notification-payloads::`: what is told, rendered from `nova.notifications.table`.

An event whose sample is in `doc/notification_samples` links to it.
"""

import pathlib

import tables
from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx import addnodes

from nova.notifications import table

SAMPLES = pathlib.Path(__file__).parents[2] / 'notification_samples'
EVENTS_HEAD = ('Event', 'Phases', 'Old form', 'Payload', 'When', 'Samples')
FIELDS_HEAD = ('Field', 'Type', 'May be null')


class Events(Directive):
    """All events, by subject."""

    def run(self):
        env = self.state.document.settings.env
        rows = [(tables.code(event.name) if event.versioned else '',
                 ', '.join(phase or 'none' for phase in event.phases),
                 tables.code(event.old.removesuffix('.')) if event.old else '',
                 tables.code(event.payload.obj_name()) if event.versioned else '', event.says,
                 _samples(event, env.docname)) for event in table.EVENTS.values()]
        return [tables.table(EVENTS_HEAD, rows)]


def _samples(event, docname):
    """Links to what was really sent."""
    paragraph = nodes.paragraph()
    for phase, event_type in zip(event.phases, event.types(), strict=False):
        name = f'{event_type.replace(".", "-")}.json'
        if (SAMPLES / name).is_file():
            depth = '../' * (docname.count('/') + 1)
            link = addnodes.download_reference('', '', refdoc=docname, reftarget=f'{depth}notification_samples/{name}')
            link += nodes.Text(phase or 'sample')
            paragraph += [nodes.Text(' '), link] if len(paragraph) else [link]
    return paragraph


class Payloads(Directive):
    """Every payload with its fields."""

    def run(self):
        found = []
        for cls in _classes():
            section = nodes.section(ids=[cls.obj_name().lower()])
            section += nodes.title(text=f'{cls.obj_name()} {cls.VERSION}')
            section += nodes.paragraph(text=cls.__doc__.split('\n\n', 1)[0])
            section += tables.table(FIELDS_HEAD, [(tables.code(name), _type(field), 'yes' if field.nullable else '')
                                                  for name, field in sorted(cls.fields.items())])
            found.append(section)
        return found


def _classes():
    """The payloads of all events, and those within them, by name."""
    found, todo = {}, [event.payload for event in table.EVENTS.values() if event.versioned]
    known = {cls.obj_name(): cls for cls in _subclasses(table.common.base.Payload)}
    while todo:
        cls = todo.pop()
        if cls.obj_name() not in found:
            found[cls.obj_name()] = cls
            todo += [known[name] for name in map(_inner, cls.fields.values()) if name]
    return [found[name] for name in sorted(found)]


def _subclasses(cls):
    for each in cls.__subclasses__():
        yield each
        yield from _subclasses(each)


def _inner(field):
    """The payload that a field holds, or a list of it; None for other fields."""
    kind = getattr(field, 'AUTO_TYPE', None) or field._type
    element = getattr(kind, '_element_type', None)
    return getattr(element._type if element is not None else kind, '_obj_name', None)


def _type(field):
    inner = _inner(field)
    kind = type(field).__name__.removesuffix('Field').lower()
    return kind if inner is None else f'list of {inner}' if kind.startswith('list') else inner


def setup(app):
    app.add_directive('notification-events', Events)
    app.add_directive('notification-payloads', Payloads)
    return {'parallel_read_safe': True}
