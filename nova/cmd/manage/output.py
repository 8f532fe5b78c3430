# SPDX-License-Identifier: Apache-2.0
"""How answers are printed: tables for people, json, yaml, csv and value for programs."""

import csv
import datetime
import json
import sys

import yaml

FORMATS = ('table', 'json', 'yaml', 'csv', 'value')


def show(answer, kind='table', columns=()):
    """Print rows (a list of dicts), one thing (a dict), or a text; None prints nothing."""
    if answer is None:
        return
    if isinstance(answer, str):
        print(answer)
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


PRINTERS = {'table': _table, 'json': _json, 'yaml': _yaml, 'csv': _csv, 'value': _value}
