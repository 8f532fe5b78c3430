# SPDX-License-Identifier: Apache-2.0
"""Tokens by which users reach consoles of their servers through a proxy."""

import hashlib
import time
from urllib import parse

from oslo_utils import uuidutils

from nova import db, exception
from nova.objects import base, cell, fields


def _hash(token):
    return hashlib.sha256(token.encode()).hexdigest()


@base.register
class ConsoleAuthToken(base.NovaObject):
    """Where a console is, and until when its token opens it.  The token itself is known to its user only."""

    fields = {
        'id': fields.IntegerField(),
        'console_type': fields.StringField(),
        'host': fields.StringField(),
        'port': fields.IntegerField(),
        'tls_port': fields.optional(fields.IntegerField),
        'internal_access_path': fields.optional(),
        'instance_uuid': fields.UUIDField(),
        'expires': fields.IntegerField(),
        'access_url_base': fields.optional(),
    }

    @base.remotable_classmethod
    @base.retried
    def authorize(cls, context, values, ttl):
        """Make a token; returns it, the only time that it is seen.

        :param values: fields of the console, without `id` and `expires`.
        :param ttl: seconds until it expires.
        """
        token = uuidutils.generate_uuid()
        with db.session.writer(context) as conn:
            db.console_tokens.delete_expired(conn, int(time.time()))
            db.console_tokens.insert(conn, {**values, 'token_hash': _hash(token), 'expires': int(time.time()) + ttl})
        return token

    @classmethod
    def validate(cls, context, token):
        """The console that a token opens, looked for in all cells.  Raises ConsoleTokenNotFound.

        Needs the databases: the API's and the proxies' business.
        """
        def ask(in_cell):
            with db.session.reader(in_cell) as conn:
                row = db.console_tokens.valid(conn, _hash(token), int(time.time()))
            return cls.from_row(in_cell, row) if row is not None else None

        for _mapping, found in cell.ask_each(context, ask)[0]:
            if found is not None:
                return found
        raise exception.ConsoleTokenNotFound()

    @base.remotable_classmethod
    @base.retried
    def clean_console_auths_for_instance(cls, context, instance_uuid):
        """Nobody reaches the consoles of a server any more by the tokens given so far."""
        with db.session.writer(context) as conn:
            return db.console_tokens.delete_of(conn, instance_uuid)


def access_url(console_type, base_url, token):
    """The URL that a user opens.

    noVNC's page hands on a token only inside its `path` parameter.
    """
    parts = parse.urlsplit(base_url)
    pairs = parse.parse_qsl(parts.query, keep_blank_values=True)
    pairs.append(('path', f'?token={token}') if console_type == 'novnc' else ('token', token))
    return parse.urlunsplit(parts._replace(query=parse.urlencode(pairs)))
