# SPDX-License-Identifier: Apache-2.0
"""Flavors, their extra specs, and who may use the private ones.  (/flavors)"""

from oslo_utils import strutils, uuidutils

from nova import exception, objects
from nova.api.openstack import extra_specs as known_specs
from nova.api.openstack import wsgi
from nova.api.openstack.errors import Refused
from nova.api.openstack.microversions import Since
from nova.api.openstack.schema import (
    KEY,
    Boolean,
    Description,
    Integer,
    Limit,
    Map,
    Name,
    Number,
    OneOf,
    Query,
    Raw,
    Table,
    Text,
    Value,
)
from nova.api.openstack.view import CREATE, DETAIL, LINKS, MAP, SHOW, UPDATE, Field, Plain
from nova.api.openstack.view import Table as View
from nova.notifications import tell
from nova.policy import ADMIN, READER, Rule

SPECS_INDEX = Rule('os-flavor-extra-specs:index', READER)
_FULL = (DETAIL, SHOW, CREATE, UPDATE)
SORT_KEYS = ('created_at', 'description', 'disabled', 'ephemeral_gb', 'flavorid', 'id', 'is_public', 'memory_mb',
             'name', 'root_gb', 'swap', 'updated_at', 'vcpu_weight', 'vcpus')

VIEW = View(
    Field('id', 'flavorid', type='string'),
    Field('name', type='string'),
    Field('links', lambda flavor, request: request.links.item('flavors', flavor.flavorid), type=LINKS),
    Field('description', since='2.55', type='string?'),
    Field('ram', 'memory_mb', on=_FULL, type='integer'),
    Field('vcpus', on=_FULL, type='integer'),
    Field('disk', 'root_gb', on=_FULL, type='integer'),
    Field('OS-FLV-EXT-DATA:ephemeral', 'ephemeral_gb', on=_FULL, type='integer'),
    Field('swap', lambda flavor: flavor.swap or '', on=_FULL, until='2.74', type=['integer', 'string']),
    Field('swap', on=_FULL, since='2.75', type='integer'),
    Field('rxtx_factor', lambda flavor: 1.0 if flavor.rxtx_factor is None else flavor.rxtx_factor, on=_FULL,
          until='2.101', type='number'),
    Field('OS-FLV-DISABLED:disabled', 'disabled', on=_FULL, until='2.101', type='boolean'),
    Field('os-flavor-access:is_public', 'is_public', on=_FULL, type='boolean'),
    Field('extra_specs', on=_FULL, since='2.61', policy=SPECS_INDEX, type=MAP),
)
CREATE_BODY = Table(
    Name('name', required=True),
    Raw('id', {'anyOf': [{'type': 'string', 'minLength': 1, 'maxLength': 255,
                          'pattern': r'^(?! )[a-zA-Z0-9. _-]+(?<! )\Z'}, {'type': 'integer'}, {'type': 'null'}]},
        to='flavorid', says='1 to 255 letters, digits, spaces, . _ and -'),
    Integer('ram', min=1, to='memory_mb', required=True),
    Integer('vcpus', min=1, required=True),
    Integer('disk', min=0, to='root_gb', required=True),
    Integer('OS-FLV-EXT-DATA:ephemeral', min=0, to='ephemeral_gb', default=0),
    Integer('swap', min=0, default=0),
    Number('rxtx_factor', default=1.0, until='2.101'),
    Boolean('os-flavor-access:is_public', to='is_public', default=True),
    Description('description', since='2.55', max=65535),
    within='flavor',
)
UPDATE_BODY = Table(Description('description', max=65535, required=True), within='flavor')
QUERY = Query(
    Limit(), Text('marker', min=1), Text('is_public', since='2.1'), Integer('minRam', to='min_memory_mb'),
    Integer('minDisk', to='min_root_gb'), Text('sort_key'), Text('sort_dir'), Text('name', since='2.102'),
    strict='2.75')
SPEC = OneOf(None, Text(None, to='text', max=255), Raw(None, {'type': 'number'}, to='number', convert=str), to='value')
SPECS_BODY = Table(Map('extra_specs', SPEC, keys=KEY, required=True))
ONE_SPEC = Value(Map(None, SPEC, keys=KEY, min=1, max=1, to='spec'))
TENANT = Table(Text('tenant', min=1, max=255, required=True))
_CHECKED = (Since('2.86', 'checked'),)
_SPECS = {'type': 'object', 'additionalProperties': {'type': 'string'}}


class Flavors(wsgi.Resource):
    """Sizes that servers come in."""

    path = '/flavors'

    def _list(self, context, limit, marker=None, is_public=None, sort_key='flavorid', sort_dir='asc', **filters):
        if sort_key not in SORT_KEYS and sort_key != 'rxtx_factor':
            raise Refused(f'sort_key: {sort_key!r} is not allowed. It must be one of {", ".join(SORT_KEYS)}.')
        if sort_dir not in ('asc', 'desc'):
            raise Refused(f"sort_dir: {sort_dir!r} is not allowed. It must be 'asc' or 'desc'.")
        filters['is_public'] = _public(context, is_public)
        filters['disabled'] = None if context.is_admin else False
        if limit == 0:
            return []
        return objects.FlavorList.get_all(context, filters, sort_key, sort_dir, limit, marker)

    @wsgi.get(query=QUERY, view=VIEW.many('flavors', links='flavors_links', marker='flavorid'),
              errors=(exception.MarkerNotFound,))
    def index(self, context, **query):
        return self._list(context, **query)

    @wsgi.get('/detail', query=QUERY, view=VIEW.many('flavors', links='flavors_links', marker='flavorid'),
              errors=(exception.MarkerNotFound,))
    def detail(self, context, **query):
        return self._list(context, **query)

    @wsgi.get('/{flavor_id}', view=VIEW.one('flavor'), errors=(exception.FlavorNotFound,))
    def show(self, context, flavor_id):
        return objects.Flavor.get_by_flavor_id(context, flavor_id)

    @wsgi.post(body=CREATE_BODY, view=VIEW.one('flavor'),
               policy=Rule('os-flavor-manage:create', ADMIN, formerly='os-flavor-manage'),
               errors=(exception.FlavorExists, exception.FlavorIdExists))
    def create(self, context, flavorid=None, **values):
        flavor = objects.Flavor(context, flavorid=uuidutils.generate_uuid() if flavorid is None else str(flavorid),
                                **values)
        flavor.create()
        tell.flavor(context, 'create', flavor)
        return flavor

    @wsgi.put('/{flavor_id}', since='2.55', body=UPDATE_BODY, view=VIEW.one('flavor'),
              policy=Rule('os-flavor-manage:update', ADMIN, formerly='os-flavor-manage'),
              errors=(exception.FlavorNotFound,))
    def update(self, context, flavor_id, description):
        flavor = objects.Flavor.get_by_flavor_id(context, flavor_id)
        flavor.description = description
        flavor.save()
        tell.flavor(context, 'update', flavor)
        return flavor

    @wsgi.delete('/{flavor_id}', success=202, policy=Rule('os-flavor-manage:delete', ADMIN,
                                                         formerly='os-flavor-manage'),
                 errors=(exception.FlavorNotFound,))
    def delete(self, context, flavor_id):
        flavor = objects.Flavor.get_by_flavor_id(context, flavor_id)
        flavor.destroy()
        tell.flavor(context, 'delete', flavor)


def _public(context, text):
    """Which flavors an administrator wants: True (default), False, or None for both."""
    if not context.is_admin or text is None:
        return True
    if text.lower() == 'none':
        return None
    try:
        return strutils.bool_from_string(text, strict=True)
    except ValueError as error:
        raise Refused(f'is_public: {text!r} is none of true, false and None.') from error


def _change_specs(context, flavor_id, to_set, to_delete=()):
    flavor = objects.Flavor.get_by_flavor_id(context, flavor_id)
    flavor.update_extra_specs(to_set, to_delete)
    tell.flavor(context, 'update', flavor)


class ExtraSpecs(wsgi.Resource):
    """What a flavor asks of hosts and hypervisors."""

    path = '/flavors/{flavor_id}/os-extra_specs'

    @wsgi.get(view=Plain('extra_specs', _SPECS), policy=SPECS_INDEX, errors=(exception.FlavorNotFound,))
    def index(self, context, flavor_id):
        return objects.Flavor.get_by_flavor_id(context, flavor_id).extra_specs

    @wsgi.post(body=SPECS_BODY, view=Plain('extra_specs', _SPECS), policy=Rule('os-flavor-extra-specs:create', ADMIN),
               flags=_CHECKED, errors=(exception.FlavorNotFound,))
    def create(self, context, flavor_id, extra_specs, checked):
        if checked:
            known_specs.check(extra_specs)
        _change_specs(context, flavor_id, extra_specs)
        return extra_specs

    @wsgi.get('/{key}', view=Plain(None, _SPECS), policy=Rule('os-flavor-extra-specs:show', READER),
              errors=(exception.FlavorNotFound, exception.FlavorExtraSpecsNotFound))
    def show(self, context, flavor_id, key):
        specs = objects.Flavor.get_by_flavor_id(context, flavor_id).extra_specs
        if key not in specs:
            raise exception.FlavorExtraSpecsNotFound(flavor_id=flavor_id, extra_specs_key=key)
        return {key: specs[key]}

    @wsgi.put('/{key}', body=ONE_SPEC, view=Plain(None, _SPECS), policy=Rule('os-flavor-extra-specs:update', ADMIN),
              flags=_CHECKED, errors=(exception.FlavorNotFound,))
    def update(self, context, flavor_id, key, spec, checked):
        if key not in spec:
            raise Refused(f'body: its key must be the one of the URL, {key!r}.')
        if checked:
            known_specs.check(spec)
        _change_specs(context, flavor_id, spec)
        return spec

    @wsgi.delete('/{key}', success=200, policy=Rule('os-flavor-extra-specs:delete', ADMIN),
                 errors=(exception.FlavorNotFound, exception.FlavorExtraSpecsNotFound))
    def delete(self, context, flavor_id, key):
        _change_specs(context, flavor_id, {}, [key])


class _Access:
    def __init__(self, flavor_id, project_id):
        self.flavor_id, self.tenant_id = flavor_id, project_id


ACCESS = View(Field('flavor_id', type='string'), Field('tenant_id', type='string'))
_ADD = Rule('os-flavor-access:add_tenant_access', ADMIN)
_REMOVE = Rule('os-flavor-access:remove_tenant_access', ADMIN)


class FlavorAccess(wsgi.Resource):
    """Projects that may use a private flavor."""

    path = '/flavors/{flavor_id}'

    def _answer(self, flavor):
        flavor.load_projects()
        return [_Access(flavor.flavorid, project_id) for project_id in flavor.projects]

    @wsgi.get('/os-flavor-access', view=ACCESS.many('flavor_access'), policy=Rule('os-flavor-access', ADMIN),
              errors=(exception.FlavorNotFound,))
    def index(self, context, flavor_id):
        flavor = objects.Flavor.get_by_flavor_id(context, flavor_id)
        if flavor.is_public:
            raise exception.FlavorNotFound('Access list not available for public flavors.')
        return self._answer(flavor)

    @wsgi.action('addTenantAccess', success=200, body=TENANT, view=ACCESS.many('flavor_access'), policy=_ADD,
                 flags=(Since('2.7', 'strict'),), errors=(exception.FlavorNotFound, exception.FlavorAccessExists,
                                                          exception.Conflict))
    def add(self, context, flavor_id, tenant, strict):
        flavor = objects.Flavor.get_by_flavor_id(context, flavor_id)
        if strict and flavor.is_public:
            raise exception.Conflict('Can not add access to a public flavor.')
        flavor.add_access(tenant)
        tell.flavor(context, 'update', flavor)
        return self._answer(flavor)

    @wsgi.action('removeTenantAccess', success=200, body=TENANT, view=ACCESS.many('flavor_access'), policy=_REMOVE,
                 errors=(exception.FlavorNotFound, exception.FlavorAccessNotFound))
    def remove(self, context, flavor_id, tenant):
        flavor = objects.Flavor.get_by_flavor_id(context, flavor_id)
        flavor.remove_access(tenant)
        tell.flavor(context, 'update', flavor)
        return self._answer(flavor)
