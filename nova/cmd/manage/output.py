# SPDX-License-Identifier: Apache-2.0
"""How answers are printed: tables for people, json, yaml, csv and value for programs."""

import contextlib
import csv
import datetime
import json
import sys

import yaml


class Left(list):
    """Rows about work of which something is left: the exit status is 3."""


class Sentence(str):
    """What people are told where there are no rows, which is what programs get."""

    __slots__ = ()


class Document(str):
    """A text that programs can read as it is."""

    __slots__ = ()


FORMATS = ('table', 'json', 'yaml', 'csv', 'value')


def show(answer, kind='table', columns=()):
    """Print rows (a list of dicts), one thing (a dict), or a text; None prints nothing."""
    if answer is None:
        return
    if isinstance(answer, Sentence) and kind != 'table':
        answer = []
    if isinstance(answer, str):
        print(answer if isinstance(answer, Document) else TEXTS.get(kind, str)(answer))
        return
    one = isinstance(answer, dict)
    rows = [answer] if one else list(answer)
    names = list(columns) or (list(rows[0]) if rows else [])
    rows = [{name: _plain(row.get(name)) for name in names} for row in rows]
    PRINTERS[kind](names, rows, one)


def _plain(value):
    if isinstance(value, datetime.datetime):
        return value.strftime('%Y-%m-%dT%H:%M:%SZ')
    return value


def _text(value):
    if value is None:
        return ''
    return json.dumps(value) if isinstance(value, (dict, list)) else str(value)


def _table(names, rows, one):
    if one:
        names, rows = ['Field', 'Value'], [{'Field': name, 'Value': rows[0][name]} for name in names]
    widths = [max([len(name), *(len(_text(row[name])) for row in rows)]) for name in names]
    rule = '+' + '+'.join('-' * (width + 2) for width in widths) + '+'
    if not names:
        return
    print(rule)
    print('| ' + ' | '.join(name.ljust(width) for name, width in zip(names, widths, strict=True)) + ' |')
    print(rule)
    for row in rows:
        print('| ' + ' | '.join(_text(row[name]).ljust(width)
                                for name, width in zip(names, widths, strict=True)) + ' |')
    print(rule)


def _json(_names, rows, one):
    print(json.dumps(rows[0] if one else rows, indent=2, default=str))


def _yaml(_names, rows, one):
    print(yaml.safe_dump(rows[0] if one else rows, sort_keys=False).rstrip())


def _csv(names, rows, _one):
    writer = csv.writer(sys.stdout, quoting=csv.QUOTE_MINIMAL, lineterminator='\n')
    writer.writerow(names)
    writer.writerows([_text(row[name]) for name in names] for row in rows)


def _value(names, rows, one):
    for row in rows:
        print(('\n' if one else ' ').join(_text(row[name]) for name in names))


#: What becomes of a single text; the other formats have it as it is.
TEXTS = {'json': json.dumps, 'yaml': lambda text: yaml.safe_dump(text).removesuffix('...\n').rstrip()}
PRINTERS = {'table': _table, 'json': _json, 'yaml': _yaml, 'csv': _csv, 'value': _value}


@contextlib.contextmanager
def progress(what, total=None, unit=''):
    """A bar on stderr while something long is done, if somebody watches: gives `show(how much is done so far)`.

    :param total: how much there is, None where nobody knows: then the bar only counts.
    """
    if not sys.stderr.isatty():
        yield lambda done: None
        return
    from rich import console, progress  # only for people
    columns = (progress.TextColumn('{task.description}'), progress.BarColumn(),
               progress.DownloadColumn() if unit == 'bytes' else progress.MofNCompleteColumn(),
               progress.TimeElapsedColumn())
    with progress.Progress(*columns, console=console.Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)
