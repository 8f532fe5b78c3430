# SPDX-License-Identifier: Apache-2.0
"""Names of floating addresses, which no driver serves here.  (/os-floating-ip-dns, until 2.35)"""

from nova import exception
from nova.api.openstack import wsgi
from nova.api.openstack.schema import ANY
from nova.policy import ADMIN, ANYBODY, Rule

RULE = Rule('os-floating-ip-dns', ANYBODY)


class DnsUnsupported(exception.Unsupported):
    msg_fmt = 'There is no DNS driver here.'


class FloatingIpDns(wsgi.Resource):
    """Domains and their entries, where there is a driver for them."""

    path = '/os-floating-ip-dns'

    @wsgi.get(until='2.35', policy=RULE, errors=(DnsUnsupported,))
    def index(self, context):
        raise DnsUnsupported()

    @wsgi.put('/{domain}', until='2.35', body=ANY, policy=Rule('os-floating-ip-dns:domain:update', ADMIN),
              errors=(DnsUnsupported,))
    def update(self, context, domain):
        raise DnsUnsupported()

    @wsgi.delete('/{domain}', until='2.35', success=202, policy=Rule('os-floating-ip-dns:domain:delete', ADMIN),
                 errors=(DnsUnsupported,))
    def delete(self, context, domain):
        raise DnsUnsupported()

    @wsgi.get('/{domain}/entries/{entry}', until='2.35', policy=RULE, errors=(DnsUnsupported,))
    def show_entry(self, context, domain, entry):
        raise DnsUnsupported()

    @wsgi.put('/{domain}/entries/{entry}', until='2.35', body=ANY, policy=RULE, errors=(DnsUnsupported,))
    def update_entry(self, context, domain, entry):
        raise DnsUnsupported()

    @wsgi.delete('/{domain}/entries/{entry}', until='2.35', success=202, policy=RULE, errors=(DnsUnsupported,))
    def delete_entry(self, context, domain, entry):
        raise DnsUnsupported()
