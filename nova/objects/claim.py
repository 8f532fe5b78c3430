# SPDX-License-Identifier: Apache-2.0
"""Claims: what a server has been promised of a node."""

from nova import db
from nova.conf import CONF
from nova.objects import base, fields


@base.register
class Claim(base.NovaObject):
    """One promise.  Amounts: count, MiB, GiB.  `migration_uuid` is '' for the server's own, lasting claim."""

    fields = {
        'id': fields.IntegerField(),
        'instance_uuid': fields.UUIDField(),
        'migration_uuid': fields.StringField(default=''),
        'compute_node_id': fields.IntegerField(),
        'host': fields.StringField(),
        'node': fields.StringField(),
        'vcpus': fields.IntegerField(default=0),
        'memory_mb': fields.IntegerField(default=0),
        'disk_gb': fields.IntegerField(default=0),
        'servers': fields.IntegerField(default=1),
        'resources': fields.JsonField(nullable=True),
        'created_at': fields.optional(fields.DateTimeField),
    }

    @classmethod
    @base.retried
    def make(cls, context, wanted, group=None):
        """Make those of the claims that fit, in one transaction; returns the keys of those made.

        Needs the database of the context's cell: the scheduler's and the conductor's business.
        :param wanted: [{'instance_uuid', 'compute_node_id', 'host', 'node', 'vcpus', 'memory_mb', 'disk_gb',
            'migration_uuid' ('' or missing: none), 'resources' ({class: amount}), 'limits'}, …], each instance and
            migration once.
        :param group: {'uuid', 'policy', 'members': uuids, 'limit'} of a server group: anti-affinity: no host may have
            claims of more than so many of the members; affinity: one host has them all.
        :returns: {(instance_uuid, migration_uuid), …}
        """
        with db.session.writer(context) as conn:
            made = db.claims.claim_many(conn, [db.claims.Wanted(**item) for item in wanted])
            if group is None:
                return made
            if group['policy'] == 'affinity':
                return db.claims.keep_together(conn, made, group['members'], group['uuid'])
            return db.claims.keep_apart(conn, made, group['members'], group['limit'])

    @base.remotable_classmethod
    @base.retried
    def release(cls, context, instance_uuid, migration_uuid=None):
        """Give back all claims of a server, or those of one migration ('': the lasting one); returns how many."""
        with db.session.writer(context) as conn:
            return db.claims.release(conn, instance_uuid, migration_uuid)

    @base.remotable_classmethod
    @base.retried
    def release_orphaned(cls, context, instance_uuid):
        """Give back the claims that `ClaimList.get_orphans` found, unless the server needs them by now; how many."""
        with db.session.writer(context) as conn:
            return db.claims.release_orphaned(conn, db.instances.instances, instance_uuid)

    @base.remotable_classmethod
    @base.retried
    def release_unplaced(cls, context, instance_uuids):
        """Give back what those of the servers that no host has taken were promised by a try that was cut off.

        Claims of migrations, and of servers that are on a host, stay.  Returns how many claims that were; usually
        none, and then nothing is locked.
        """
        with db.session.reader(context) as conn:
            held = {row['instance_uuid'] for row in db.claims.of_instances(conn, instance_uuids)
                    if not row['migration_uuid']}
            if held:
                held -= {row['uuid'] for row in db.instances.by_uuids(conn, list(held)) if row['host']}
        if not held:
            return 0
        with db.session.writer(context) as conn:
            return sum(db.claims.release(conn, uuid, '') for uuid in sorted(held))

    @base.remotable_classmethod
    @base.retried
    def confirm_migration(cls, context, instance_uuid, migration_uuid):
        """The server is where the migration took it: the migration's claim becomes its own.  Whether there was one."""
        with db.session.writer(context) as conn:
            return db.claims.confirm_migration(conn, instance_uuid, migration_uuid)

    @base.remotable_classmethod
    def check(cls, context):
        """Nodes whose used amounts are not the sum of their claims (see `nova.db.main.claims.check`); [] is right."""
        with db.session.reader(context) as conn:
            return db.claims.check(conn)


@base.register
class ClaimList(base.NovaObjectList):
    fields = {'objects': fields.ListOfObjectsField('Claim')}

    @base.remotable_classmethod
    def get_by_instances(cls, context, instance_uuids):
        with db.session.reader(context) as conn:
            rows = db.claims.of_instances(conn, instance_uuids)
        return cls.from_rows(context, rows)

    @base.remotable_classmethod
    def get_by_host(cls, context, host):
        with db.session.reader(context) as conn:
            rows = db.claims.of_host(conn, host)
        return cls.from_rows(context, rows)

    @base.remotable_classmethod
    def get_orphans(cls, context):
        """Claims of servers that are gone, or on no host nor on the way to one; none is right."""
        with db.session.reader(context) as conn:
            rows = db.claims.orphans(conn, db.instances.instances, db.leases.since(CONF.order_lease))
        return cls.from_rows(context, rows)
