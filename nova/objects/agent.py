# SPDX-License-Identifier: Apache-2.0
"""Builds of the agents that run inside guests."""

from oslo_db import exception as db_exc

from nova import db, exception
from nova.objects import base, fields


class AgentBuildNotFound(exception.NotFound):
    msg_fmt = 'No agent-build with id %(id)s was found.'


class AgentBuildExists(exception.Conflict):
    msg_fmt = 'An agent-build for hypervisor %(hypervisor)s, os %(os)s, architecture %(architecture)s exists.'


@base.register
class Agent(base.TimestampedObject, base.NovaObject):
    """Which version of its agent a guest of a hypervisor, system and architecture should have, and where it is."""

    fields = {
        'id': fields.IntegerField(),
        **{name: fields.StringField() for name in ('hypervisor', 'os', 'architecture', 'version', 'url', 'md5hash')},
    }

    @base.remotable_classmethod
    @base.retried
    def create(cls, context, values):
        """Raises AgentBuildExists."""
        try:
            with db.session.api_writer(context) as conn:
                made = db.agents.insert(conn, values)
        except db_exc.DBDuplicateEntry as exc:
            raise AgentBuildExists(**values) from exc
        return cls.from_row(context, {'id': made, **values})

    @base.remotable_classmethod
    @base.retried
    def change(cls, context, build_id, values):
        """Raises AgentBuildNotFound."""
        with db.session.api_writer(context) as conn:
            if not db.agents.select(conn, db.agents.builds.c.id == build_id):
                raise AgentBuildNotFound(id=build_id)
            db.agents.update(conn, build_id, values)

    @base.remotable_classmethod
    @base.retried
    def destroy(cls, context, build_id):
        """Raises AgentBuildNotFound."""
        with db.session.api_writer(context) as conn:
            if not db.agents.delete(conn, build_id):
                raise AgentBuildNotFound(id=build_id)


@base.register
class AgentList(base.NovaObjectList):
    fields = {'objects': fields.ListOfObjectsField('Agent')}

    @base.remotable_classmethod
    def get_all(cls, context, hypervisor=None):
        where = [db.agents.builds.c.hypervisor == hypervisor] if hypervisor else []
        with db.session.api_reader(context) as conn:
            return cls.from_rows(context, db.agents.select(conn, *where))
