# SPDX-License-Identifier: Apache-2.0
"""What used to be extensions: a static list that old clients look at; and documents of versions.  (/extensions)"""

from nova import exception
from nova.api.openstack import versions, wsgi
from nova.api.openstack.view import LINKS, Field, Plain, Table, many, shape
from nova.policy import ANYBODY, Rule

ALIASES = [
    'NMN', 'OS-DCF', 'OS-EXT-AZ', 'OS-EXT-IMG-SIZE', 'OS-EXT-IPS', 'OS-EXT-IPS-MAC', 'OS-EXT-SRV-ATTR', 'OS-EXT-STS',
    'OS-FLV-DISABLED', 'OS-FLV-EXT-DATA', 'OS-SCH-HNT', 'OS-SRV-USG', 'os-access-ips', 'os-admin-actions',
    'os-admin-password', 'os-agents', 'os-aggregates', 'os-assisted-volume-snapshots', 'os-attach-interfaces',
    'os-availability-zone', 'os-baremetal-ext-status', 'os-baremetal-nodes', 'os-block-device-mapping',
    'os-block-device-mapping-v2-boot', 'os-cell-capacities', 'os-cells', 'os-certificates', 'os-cloudpipe',
    'os-cloudpipe-update', 'os-config-drive', 'os-console-auth-tokens', 'os-console-output', 'os-consoles',
    'os-create-backup', 'os-create-server-ext', 'os-deferred-delete', 'os-evacuate', 'os-extended-evacuate-find-host',
    'os-extended-floating-ips', 'os-extended-hypervisors', 'os-extended-networks', 'os-extended-quotas',
    'os-extended-rescue-with-image', 'os-extended-services', 'os-extended-services-delete', 'os-extended-status',
    'os-extended-volumes', 'os-fixed-ips', 'os-flavor-access', 'os-flavor-extra-specs', 'os-flavor-manage',
    'os-flavor-rxtx', 'os-flavor-swap', 'os-floating-ip-dns', 'os-floating-ip-pools', 'os-floating-ips',
    'os-floating-ips-bulk', 'os-fping', 'os-hide-server-addresses', 'os-hosts', 'os-hypervisor-status',
    'os-hypervisors', 'os-instance-actions', 'os-instance_usage_audit_log', 'os-keypairs', 'os-lock-server',
    'os-migrate-server', 'os-migrations', 'os-multiple-create', 'os-networks', 'os-networks-associate',
    'os-pause-server', 'os-personality', 'os-preserve-ephemeral-rebuild', 'os-quota-class-sets', 'os-quota-sets',
    'os-rescue', 'os-security-group-default-rules', 'os-security-groups', 'os-server-diagnostics',
    'os-server-external-events', 'os-server-group-quotas', 'os-server-groups', 'os-server-list-multi-status',
    'os-server-password', 'os-server-sort-keys', 'os-server-start-stop', 'os-services', 'os-shelve',
    'os-simple-tenant-usage', 'os-suspend-server', 'os-tenant-networks', 'os-used-limits', 'os-used-limits-for-admin',
    'os-user-data', 'os-user-quotas', 'os-virtual-interfaces', 'os-volume-attachment-update', 'os-volumes',
]

VIEW = Table(
    Field('alias', lambda alias: alias, type='string'),
    Field('name', lambda alias: ''.join(word.capitalize() for word in alias.removeprefix('os-').split('-')),
          type='string'),
    Field('description', lambda alias: f'The part of the API that was the extension {alias}.', type='string'),
    Field('links', lambda alias: [], type=LINKS),
    Field('namespace', lambda alias: 'http://docs.openstack.org/compute/ext/fake_xml', type='string'),
    Field('updated', lambda alias: '2014-12-03T00:00:00Z', type='string'),
)
_RULE = Rule('extensions', ANYBODY)


def _aliases(legacy):
    return sorted([*ALIASES, 'OS-EXT-VIF-NET']) if legacy else ALIASES


class Extensions(wsgi.Resource):
    """Parts of the API, by the names they once had."""

    path = '/extensions'

    @wsgi.get(view=VIEW.many('extensions'), policy=_RULE)
    def index(self, context, legacy):
        return _aliases(legacy)

    @wsgi.get('/{alias}', view=VIEW.one('extension'), policy=_RULE, errors=(exception.NotFound,))
    def show(self, context, alias, legacy):
        if alias not in _aliases(legacy):
            raise exception.NotFound(f'There is no extension {alias}')
        return alias


_DOCUMENT = shape(**dict.fromkeys(('id', 'status', 'version', 'min_version', 'updated'), 'string'), links=LINKS,
                  **{'media-types': many(shape(base='string', type='string'))})


class Versions(wsgi.Resource):
    """Documents of the versions, for clients that look for them inside one."""

    path = '/versions'

    @wsgi.get('/{version_id}', view=Plain('version', _DOCUMENT), errors=(exception.NotFound,))
    def show(self, context, version_id, links):
        if version_id not in versions.VERSIONS:
            raise exception.NotFound(f'There is no version {version_id}')
        return versions.full(version_id, links.base)
