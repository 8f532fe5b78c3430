# SPDX-License-Identifier: Apache-2.0
"""What all moves of servers have in common: the migration's record, and the request for another host."""

from nova import exception, objects


def migration_of(op):
    """The migration that an order is about."""
    return objects.Migration.get_by_uuid(op.context, op.args['migration_uuid'])


def spec_of(op, flavor=None):
    """What the server was asked with, for another host of its cell; one that an administrator forced then does not
    bind now.
    """
    try:
        spec = objects.RequestSpec.get_by_instance_uuid(op.context, op.instance.uuid)
    except exception.NotFound:
        spec = objects.RequestSpec(project_id=op.instance.project_id, user_id=op.instance.user_id,
                                   image=op.instance.image_meta, flavor=op.instance.flavor)
        spec.instance_uuid = op.instance.uuid
    spec.flavor = flavor or op.instance.flavor
    spec.image = op.instance.image_meta     # a rebuild may have changed it
    spec.num_instances = 1
    spec.availability_zone = op.instance.pinned_availability_zone or None
    spec.force_hosts, spec.force_nodes, spec.ignore_hosts = [], [], []
    spec.retry = None
    spec.requested_destination = {'cell': op.context.cell_uuid}
    return spec


def lead_to(spec, host, node=None, **more):
    """Ask for one host."""
    spec.requested_destination = {**(spec.requested_destination or {}), 'host': host, 'node': node, **more}


def chose(migration, selection):
    """Note where it goes."""
    migration.change({'dest_compute': selection.host, 'dest_node': selection.node,
                      'dest_compute_id': selection.compute_node_id, 'dest_placement': selection.placement})


def give_up(migration, status='error'):
    """It came to nothing: the claim made for it is given back."""
    migration.fail(status)


def give_up_resize(op, migration):
    """The same; the server counts with its old size again."""
    migration.fail()
    old = migration.old_flavor
    objects.Quotas.resize(op.context, op.instance.uuid, op.instance.project_id,
                          {'cores': old['vcpus'], 'ram': old['memory_mb']}, check=False)
