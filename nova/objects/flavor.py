# SPDX-License-Identifier: Apache-2.0
"""Flavors: the sizes servers come in."""

import uuid as uuidlib

from oslo_db import exception as db_exc

from nova import db, exception
from nova.objects import base, fields

#: Fields that a server keeps of the flavor it was made from.
SNAPSHOT = ('id', 'name', 'flavorid', 'memory_mb', 'vcpus', 'root_gb', 'ephemeral_gb', 'swap', 'rxtx_factor',
            'vcpu_weight', 'disabled', 'is_public', 'extra_specs', 'description')
_COLUMNS = tuple(name for name in SNAPSHOT if name != 'id')


@base.register
class Flavor(base.TimestampedObject, base.NovaObject):
    """Sizes: memory and swap in MiB, disks in GiB."""

    fields = {
        'id': fields.IntegerField(),
        'name': fields.optional(),
        'flavorid': fields.StringField(),
        'memory_mb': fields.IntegerField(),
        'vcpus': fields.IntegerField(),
        'root_gb': fields.IntegerField(),
        'ephemeral_gb': fields.IntegerField(default=0),
        'swap': fields.IntegerField(default=0),
        'rxtx_factor': fields.optional(fields.FloatField),
        'vcpu_weight': fields.optional(fields.IntegerField),
        'disabled': fields.BooleanField(default=False),
        'is_public': fields.BooleanField(default=True),
        'extra_specs': fields.DictOfStringsField(default={}),
        'description': fields.optional(),
        'projects': fields.optional(fields.ListOfStringsField),
    }

    @classmethod
    def from_row(cls, context, row, **more):
        self = super().from_row(context, row, **more)
        if getattr(self, '_obj_extra_specs', None) is None:
            self.trust('extra_specs', {})
        return self

    def snapshot(self):
        """What a server keeps: a plain dict."""
        return {name: getattr(self, name) for name in SNAPSHOT}

    @base.remotable_classmethod
    def get_by_id(cls, context, flavor_id):
        with db.session.api_reader(context) as conn:
            rows = db.flavors.select(conn, [db.flavors.flavors.c.id == flavor_id])
        if not rows:
            raise exception.FlavorNotFound(flavor_id=flavor_id)
        return cls.from_row(context, rows[0])

    @base.remotable_classmethod
    def get_by_flavor_id(cls, context, flavorid, read_deleted=None):
        """The flavor with this public id.  Raises FlavorNotFound also when the caller's project may not use it."""
        project_id = None if context.is_admin else context.project_id
        with db.session.api_reader(context) as conn:
            row = db.flavors.by_flavorid(conn, flavorid, project_id)
        if row is None:
            raise exception.FlavorNotFound(flavor_id=flavorid)
        return cls.from_row(context, row)

    @base.remotable_classmethod
    def get_by_name(cls, context, name):
        with db.session.api_reader(context) as conn:
            rows = db.flavors.select(conn, [db.flavors.flavors.c.name == name])
        if not rows:
            raise exception.FlavorNotFound(flavor_id=name)
        return cls.from_row(context, rows[0])

    @base.remotable
    @base.retried
    def create(self):
        """Store a new flavor.  Raises FlavorExists or FlavorIdExists."""
        values = {name: getattr(self, name) for name in _COLUMNS if self.obj_attr_is_set(name)}
        values.setdefault('flavorid', str(uuidlib.uuid4()))
        f = db.flavors.flavors.c
        try:
            with db.session.api_writer(self._context) as conn:
                for row in db.flavors.select(conn, [(f.flavorid == values['flavorid']) | (f.name == values['name'])]):
                    if row['flavorid'] == values['flavorid']:
                        raise exception.FlavorIdExists(flavor_id=values['flavorid'])
                    raise exception.FlavorExists(name=values['name'])
                flavor_id = db.flavors.insert(conn, values)
                row = db.flavors.select(conn, [f.id == flavor_id])[0]
        except db_exc.DBDuplicateEntry as exc:
            raise exception.FlavorExists(name=values['name']) from exc
        made = self.from_row(self._context, row)
        for name in made.fields:
            if made.obj_attr_is_set(name):
                self.trust(name, getattr(made, name))
        self.obj_reset_changes()

    @base.remotable
    @base.retried
    def save(self):
        """Store changed fields; access is `add_access`/`remove_access`."""
        changes = self.column_changes()
        changes.pop('projects', None)
        if changes:
            with db.session.api_writer(self._context) as conn:
                db.flavors.update(conn, self.id, changes)
        self.obj_reset_changes()

    @base.remotable
    @base.retried
    def update_extra_specs(self, to_set, to_delete=()):
        """Merge extra specs and delete keys in one step.  Raises FlavorNotFound if the flavor is gone meanwhile."""
        with db.session.api_writer(self._context) as conn:
            row = db.flavors.lock(conn, self.id)
            if row is None:
                raise exception.FlavorNotFound(flavor_id=self.flavorid)
            specs = {**(row['extra_specs'] or {}), **to_set}
            for key in to_delete:
                if specs.pop(key, None) is None:
                    raise exception.FlavorExtraSpecsNotFound(flavor_id=self.flavorid, extra_specs_key=key)
            db.flavors.update(conn, self.id, {'extra_specs': specs})
        self.trust('extra_specs', specs)

    @base.remotable
    @base.retried
    def destroy(self):
        with db.session.api_writer(self._context) as conn:
            if not db.flavors.delete(conn, self.id):
                raise exception.FlavorNotFound(flavor_id=self.flavorid)

    @base.remotable
    def load_projects(self):
        with db.session.api_reader(self._context) as conn:
            self.trust('projects', db.flavors.projects_of(conn, self.id))

    @base.remotable
    @base.retried
    def add_access(self, project_id):
        try:
            with db.session.api_writer(self._context) as conn:
                db.flavors.add_project(conn, self.id, project_id)
                self.trust('projects', db.flavors.projects_of(conn, self.id))
        except db_exc.DBDuplicateEntry as exc:
            raise exception.FlavorAccessExists(flavor_id=self.flavorid, project_id=project_id) from exc

    @base.remotable
    @base.retried
    def remove_access(self, project_id):
        with db.session.api_writer(self._context) as conn:
            if not db.flavors.remove_project(conn, self.id, project_id):
                raise exception.FlavorAccessNotFound(flavor_id=self.flavorid, project_id=project_id)
            self.trust('projects', db.flavors.projects_of(conn, self.id))


@base.register
class FlavorList(base.NovaObjectList):
    fields = {'objects': fields.ListOfObjectsField('Flavor')}

    @base.remotable_classmethod
    def get_all(cls, context, filters=None, sort_key='flavorid', sort_dir='asc', limit=None, marker=None):
        """Flavors, sorted with `flavorid` as the tail.

        :param filters: is_public (True, False or None for both; non-admins always see public ones and those their
            project may use), min_memory_mb, min_root_gb, disabled, name.
        :param marker: flavorid of the last one seen.  Raises MarkerNotFound.
        """
        filters = filters or {}
        c = db.flavors.flavors.c
        where = []
        if not context.is_admin:
            where.append(db.flavors.accessible(context.project_id))
        elif filters.get('is_public') is not None:
            where.append(c.is_public.is_(filters['is_public']))
        for name, condition in (('min_memory_mb', c.memory_mb.__ge__), ('min_root_gb', c.root_gb.__ge__),
                                ('disabled', c.disabled.__eq__), ('name', c.name.__eq__)):
            if filters.get(name) is not None:
                where.append(condition(filters[name]))
        column = c[sort_key]
        with db.session.api_reader(context) as conn:
            if marker is not None:
                last = db.flavors.by_flavorid(conn, marker)
                if last is None:
                    raise exception.MarkerNotFound(marker=marker)
                where.append(db.paging.after([(column, sort_dir, last[sort_key]),
                                              (c.flavorid, sort_dir, last['flavorid'])]))
            rows = db.flavors.select(conn, where, [(column, sort_dir), (c.flavorid, sort_dir)], limit)
        return cls.from_rows(context, rows)
