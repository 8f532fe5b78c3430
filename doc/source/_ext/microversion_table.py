# SPDX-License-Identifier: Apache-2.0
"""`.. microversions::` renders `nova.api.openstack.history`."""

from docutils import nodes
from docutils.parsers.rst import Directive

from nova.api.openstack import history


class Microversions(Directive):
    """The list of microversions."""

    def run(self):
        items = []
        for version, change in history.HISTORY.items():
            items.append(nodes.definition_list_item('', nodes.term(text=version),
                                                    nodes.definition('', nodes.paragraph(text=change))))
        return [nodes.definition_list('', *items)]


def setup(app):
    app.add_directive('microversions', Microversions)
    return {'parallel_read_safe': True}
