# SPDX-License-Identifier: Apache-2.0
"""Domains, and names in them, of floating addresses."""

from nova import db, exception
from nova.objects import base, fields

PUBLIC, PRIVATE = 'public', 'private'


class DomainNotFound(exception.NotFound):
    msg_fmt = 'Domain %(domain)s could not be found.'


class EntryNotFound(exception.NotFound):
    msg_fmt = 'There is no entry %(name)s in domain %(domain)s.'


@base.register
class DNSDomain(base.TimestampedObject, base.NovaObject):
    """A public domain may be a project's; a private one may be of an availability zone."""

    fields = {'domain': fields.StringField(), 'scope': fields.StringField(), 'project_id': fields.optional(),
              'availability_zone': fields.optional()}

    @base.remotable_classmethod
    def get(cls, context, domain):
        """Raises DomainNotFound also for domains of other projects."""
        with db.session.reader(context) as conn:
            rows = db.dns.select_domains(conn, db.dns.domains.c.domain == domain)
        if not rows or not _sees(context, rows[0]):
            raise DomainNotFound(domain=domain)
        return cls.from_row(context, rows[0])

    @base.remotable_classmethod
    @base.retried
    def put(cls, context, domain, scope, project_id=None, availability_zone=None):
        """Make a domain, or change it."""
        with db.session.writer(context) as conn:
            db.dns.put_domain(conn, domain, {'scope': scope, 'project_id': project_id,
                                             'availability_zone': availability_zone})
        return cls.get(context, domain)

    @base.remotable
    @base.retried
    def destroy(self):
        """Its entries go with it.  Raises DomainNotFound."""
        with db.session.writer(self._context) as conn:
            if not db.dns.delete_domain(conn, self.domain):
                raise DomainNotFound(domain=self.domain)


def _sees(context, row):
    return row['project_id'] is None or context.can_see(row['project_id'])


@base.register
class DNSDomainList(base.NovaObjectList):
    fields = {'objects': fields.ListOfObjectsField('DNSDomain')}

    @base.remotable_classmethod
    def get_all(cls, context):
        """Those that the caller may know of."""
        with db.session.reader(context) as conn:
            rows = db.dns.select_domains(conn)
        return cls.from_rows(context, [row for row in rows if _sees(context, row)])


@base.register
class DNSEntry(base.TimestampedObject, base.NovaObject):
    """`name` stands for `address` in a domain."""

    fields = {'domain': fields.StringField(), 'name': fields.StringField(), 'address': fields.StringField(),
              'type': fields.StringField()}

    @base.remotable_classmethod
    def get(cls, context, domain, name):
        """Raises EntryNotFound."""
        c = db.dns.entries.c
        with db.session.reader(context) as conn:
            rows = db.dns.select_entries(conn, c.domain == domain, c.name == name)
        if not rows:
            raise EntryNotFound(domain=domain, name=name)
        return cls.from_row(context, rows[0])

    @base.remotable_classmethod
    @base.retried
    def put(cls, context, domain, name, address, type):
        """Make an entry, or change it."""
        with db.session.writer(context) as conn:
            db.dns.put_entry(conn, domain, name, {'address': address, 'type': type})
        return cls.get(context, domain, name)

    @base.remotable
    @base.retried
    def destroy(self):
        """Raises EntryNotFound."""
        with db.session.writer(self._context) as conn:
            if not db.dns.delete_entry(conn, self.domain, self.name):
                raise EntryNotFound(domain=self.domain, name=self.name)


@base.register
class DNSEntryList(base.NovaObjectList):
    fields = {'objects': fields.ListOfObjectsField('DNSEntry')}

    @base.remotable_classmethod
    def get_by_address(cls, context, domain, address):
        c = db.dns.entries.c
        with db.session.reader(context) as conn:
            rows = db.dns.select_entries(conn, c.domain == domain, c.address == address)
        return cls.from_rows(context, rows)
