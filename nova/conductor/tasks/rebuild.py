# SPDX-License-Identifier: Apache-2.0
"""Asking whether a server's host takes another image."""

from nova import objects
from nova.compute import rebuild as rebuild_concern
from nova.compute.operations import carries_out
from nova.conductor.tasks import destination


@carries_out('rebuild_instance')
def rebuild(op):
    """The scheduler is asked about the host with the new image; what the server holds there it holds already."""
    rebuild_concern.refuse(op)
    check = f'rebuild-{op.action.id}'
    op.undo(objects.Claim.release, op.context, op.instance.uuid, check)
    op.host.scheduler_rpcapi.select_destinations(op.context, _question(op), [op.instance.uuid], alternates=0,
                                                 migration_uuid=check)
    objects.Claim.release(op.context, op.instance.uuid, check)
    op.hand_over('nova-compute', op.instance.host, 'rebuild_instance')
    op.host.compute_rpcapi.ring(op.context, op.instance.host, 'rebuild_instance', op.action.id)


def _question(op):
    """Only the filters that look at the image are asked: the server is there, with whomever, and of its size."""
    spec = destination.spec_of(op)
    spec.flavor = _of_no_size(op.instance.flavor)
    destination.lead_to(spec, op.instance.host, op.instance.node, is_rebuild=True)
    spec.instance_group = spec.availability_zone = None
    return spec


def _of_no_size(flavor):
    """The flavor's conditions without its amounts."""
    flavor = flavor.obj_clone()
    for name in ('vcpus', 'memory_mb', 'root_gb', 'ephemeral_gb', 'swap'):
        flavor.trust(name, 0)
    return flavor
