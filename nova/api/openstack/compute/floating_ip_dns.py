# SPDX-License-Identifier: Apache-2.0
"""Names of floating addresses, which the DHCP servers of nova-network answer for.  (/os-floating-ip-dns, until 2.35)"""

import re

import netaddr

from nova.api.openstack import wsgi
from nova.api.openstack.errors import Refused
from nova.api.openstack.schema import Choice, Ip, Table, Text
from nova.api.openstack.view import Field, many, shape
from nova.api.openstack.view import Table as View
from nova.network import api as network_api
from nova.objects import dns
from nova.policy import ADMIN, ANYBODY, Rule

RULE = Rule('os-floating-ip-dns', ANYBODY)
DOMAIN = View(
    Field('domain', type='string'),
    Field('scope', type='string'),
    Field('project', 'project_id', type='string?'),
    Field('availability_zone', type='string?'),
)
#: `id` is what drivers of other name servers had; ours have names only.
ENTRY = View(
    Field('ip', 'address', type='string'),
    Field('id', lambda entry: None, type='string?'),
    Field('type', type='string'),
    Field('domain', type='string'),
    Field('name', type='string'),
)
_DOMAIN_BODY = Table(Choice('scope', (dns.PUBLIC, dns.PRIVATE), required=True), Text('project', max=255),
                     Text('availability_zone', max=255), within='domain_entry')
_ENTRY_BODY = Table(Ip('ip', required=True), Choice('dns_type', ('a', 'A'), required=True), within='dns_entry')
_BY_ADDRESS = shape(dns_entries=many(shape(ip='string', id='string?', type='string', domain='string', name='string')))
_NAME = re.compile(r'(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*',
                   re.IGNORECASE)
#: Which other key a scope may have.
_BELONGS = {dns.PUBLIC: 'project', dns.PRIVATE: 'availability_zone'}
_GONE = (dns.DomainNotFound, dns.EntryNotFound)


def _name(word, value):
    if not _NAME.fullmatch(value):
        raise Refused(f'{word}: {value!r} is no domain name: letters, digits, - and _, with dots between.')
    return value.lower()


class FloatingIpDns(wsgi.Resource):
    """Domains and the names in them."""

    path = '/os-floating-ip-dns'

    def __init__(self):
        self.network = network_api.API()

    @wsgi.get(until='2.35', view=DOMAIN.many('domain_entries'), policy=RULE)
    def index(self, context):
        return dns.DNSDomainList.get_all(context).objects

    @wsgi.put('/{domain}', until='2.35', body=_DOMAIN_BODY, view=DOMAIN.one('domain_entry'),
              policy=Rule('os-floating-ip-dns:domain:update', ADMIN))
    def update(self, context, domain, scope, project=None, availability_zone=None):
        given = {'project': project, 'availability_zone': availability_zone}
        for word, value in given.items():
            if value is not None and word != _BELONGS[scope]:
                raise Refused(f'{word}: a {scope} domain may have {_BELONGS[scope]} only.')
        return dns.DNSDomain.put(context, _name('domain', domain), scope, project, availability_zone)

    @wsgi.delete('/{domain}', until='2.35', success=202, policy=Rule('os-floating-ip-dns:domain:delete', ADMIN),
                 errors=_GONE)
    def delete(self, context, domain):
        dns.DNSDomain.get(context, domain.lower()).destroy()
        self.network.tell_names(context)

    @wsgi.get('/{domain}/entries/{entry}', until='2.35', view=ENTRY.one('dns_entry', otherwise=_BY_ADDRESS),
              policy=RULE, errors=_GONE)
    def show_entry(self, context, domain, entry):
        domain = dns.DNSDomain.get(context, domain.lower()).domain
        if not (netaddr.valid_ipv4(entry) or netaddr.valid_ipv6(entry)):
            return dns.DNSEntry.get(context, domain, entry.lower())
        found = dns.DNSEntryList.get_by_address(context, domain, str(netaddr.IPAddress(entry)))
        return wsgi.Answer(raw={'dns_entries': [
            {'ip': each.address, 'id': None, 'type': each.type, 'domain': each.domain, 'name': each.name}
            for each in found]})

    @wsgi.put('/{domain}/entries/{entry}', until='2.35', body=_ENTRY_BODY, view=ENTRY.one('dns_entry'), policy=RULE,
              errors=_GONE)
    def update_entry(self, context, domain, entry, ip, dns_type):
        domain = dns.DNSDomain.get(context, domain.lower()).domain
        if not netaddr.valid_ipv4(ip):
            raise Refused(f'ip: {ip!r} is no IPv4 address, which entries of type A have.')
        made = dns.DNSEntry.put(context, domain, _name('name', entry), ip, dns_type.upper())
        self.network.tell_names(context)
        return made

    @wsgi.delete('/{domain}/entries/{entry}', until='2.35', success=202, policy=RULE, errors=_GONE)
    def delete_entry(self, context, domain, entry):
        domain = dns.DNSDomain.get(context, domain.lower()).domain
        dns.DNSEntry.get(context, domain, entry.lower()).destroy()
        self.network.tell_names(context)
