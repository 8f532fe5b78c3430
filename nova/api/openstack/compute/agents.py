# SPDX-License-Identifier: Apache-2.0
"""Which agent the guests of a hypervisor should have.  (/os-agents)"""

from nova import objects
from nova.api.openstack import wsgi
from nova.api.openstack.errors import Refused
from nova.api.openstack.schema import Query, Table, Text
from nova.api.openstack.view import Field
from nova.api.openstack.view import Table as View
from nova.objects import agent as agent_obj
from nova.policy import ADMIN, Rule

RULE = Rule('os-agents', ADMIN)
VIEW = View(
    Field('agent_id', 'id', type='integer'),
    *(Field(name, type='string') for name in ('hypervisor', 'os', 'architecture', 'version', 'url', 'md5hash')),
)
CHANGED = View(*(Field(name, lambda values, name=name: values[name], type='string')
                 for name in ('agent_id', 'version', 'url', 'md5hash')))
_PLAIN = {'pattern': r'^[a-zA-Z0-9-._ ]*\Z', 'says': '1 to 255 letters, digits, - . _ or spaces'}


def _word(name, pattern=_PLAIN['pattern'], says=_PLAIN['says']):
    return Text(name, min=1, max=255, required=True, pattern=pattern, says=says)


_WHAT = (_word('version'),
         _word('url', r'^[a-zA-Z][a-zA-Z0-9+.-]*:[^\s]+\Z', 'a URL of up to 255 characters'),
         _word('md5hash', r'^[a-fA-F0-9]*\Z', '1 to 255 hexadecimal digits'))
CREATE = Table(*(_word(name) for name in ('hypervisor', 'os', 'architecture')), *_WHAT, within='agent')
UPDATE = Table(*_WHAT, within='para')
#: The largest number of a row.
_MAX = 2 ** 63 - 1


def _number(text):
    if not (text.isascii() and text.isdigit()) or int(text) > _MAX:
        raise Refused(f'id: {text[:50]!r} is not a whole number.')
    return int(text)


class Agents(wsgi.Resource):
    """Builds of agents that run inside guests."""

    path = '/os-agents'

    @wsgi.get(query=Query(Text('hypervisor')), view=VIEW.many('agents'), policy=RULE)
    def index(self, context, hypervisor=None):
        """All builds, or those for one hypervisor."""
        return objects.AgentList.get_all(context, hypervisor)

    @wsgi.post(body=CREATE, success=200, view=VIEW.one('agent'), policy=RULE, errors=(agent_obj.AgentBuildExists,))
    def create(self, context, **values):
        """Name the build for a hypervisor, operating system and architecture."""
        return objects.Agent.create(context, values)

    @wsgi.put('/{agent_id}', body=UPDATE, view=CHANGED.one('agent'), policy=RULE,
              errors=(agent_obj.AgentBuildNotFound,))
    def update(self, context, agent_id, **values):
        """Name a newer build."""
        objects.Agent.change(context, _number(agent_id), values)
        return {'agent_id': agent_id, **values}

    @wsgi.delete('/{agent_id}', success=200, policy=RULE, errors=(agent_obj.AgentBuildNotFound,))
    def delete(self, context, agent_id):
        """Forget a build."""
        objects.Agent.destroy(context, _number(agent_id))
