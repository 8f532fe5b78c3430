# SPDX-License-Identifier: Apache-2.0
"""Why servers go where they go, or nowhere."""

from nova import exception, objects
from nova.cmd.manage import image as image_commands
from nova.cmd.manage import output
from nova.cmd.manage.arguments import arg, pairs
from nova.scheduler import explain as explanations


@arg('--flavor', help='id or name')
@arg('--image', help='id or name')
@arg('--az', help='availability zone')
@arg('--hint', action='append', help='key=value; may be repeated')
@arg('--host', help='only this host')
@arg('--project', help='for this project')
@arg('--server', help='a server that exists, instead of flavor and image')
def explain(context, flavor, image, az, hint, host, project, server):
    """Which hosts could take a server, and why the others could not."""
    if server:
        found = explanations.explain_server(context, server)
    elif flavor:
        spec = explanations.make_spec(context, flavor, _image(context, image), az, pairs(hint), project, host)
        found = explanations.explain(context, spec)
    else:
        raise exception.InvalidInput(reason='say --flavor (and --image), or --server')
    return [dict(zip(explanations.COLUMNS, row, strict=False)) if not isinstance(row, dict) else row
            for row in found.rows()] or output.Sentence(found.summary)


def _image(context, name_or_id):
    return objects.ImageMeta.from_dict(image_commands.find(context, name_or_id)) if name_or_id else None


COMMANDS = {'explain': explain}
