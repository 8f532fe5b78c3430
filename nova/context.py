# SPDX-License-Identifier: Apache-2.0
"""Who asks, for which project, and in which cell: travels with every request and every message."""

import contextlib
import copy

from oslo_context import context as oslo_context

#: What noauth and the daemons' own work use as a name.
ADMIN_ROLE = 'admin'

# Carried besides what oslo.context knows.
_OWN = ('read_deleted', 'remote_address', 'service_catalog', 'timestamp')


class RequestContext(oslo_context.RequestContext):
    """Security context of one request, and the cell its queries go to.

    :param is_admin: True, False, or None for "derive from the roles" (role `admin`).
    :param read_deleted: 'no', 'yes' or 'only': whether queries see soft-deleted rows.
    :param cell: the `nova.objects.CellMapping` queries go to; None is the cell of this process' own configuration.
    """

    def __init__(self, user_id=None, project_id=None, is_admin=None, read_deleted='no', remote_address=None,
                 service_catalog=None, timestamp=None, cell=None, **kwargs):
        if is_admin is None:
            is_admin = ADMIN_ROLE in [role.lower() for role in kwargs.get('roles') or ()]
        super().__init__(user_id=user_id, project_id=project_id, is_admin=is_admin, **kwargs)
        self.read_deleted = read_deleted
        self.remote_address = remote_address
        self.service_catalog = service_catalog
        self.timestamp = timestamp
        self.cell = cell
        # Open transactions of this context, by database; see nova.db.session.
        self.db_transactions = {}

    @property
    def cell_uuid(self):
        """UUID of the cell; None for the configured one."""
        return self.cell.uuid if self.cell is not None else None

    def to_dict(self):
        values = super().to_dict()
        values.update({name: getattr(self, name) for name in _OWN})
        values['is_admin'] = self.is_admin
        values['user_id'], values['project_id'] = self.user_id, self.project_id
        return values

    @classmethod
    def from_dict(cls, values, **kwargs):
        own = {name: values[name] for name in _OWN if name in values}
        own.update(is_admin=values.get('is_admin'), **kwargs)
        return super().from_dict(values, **own)

    def elevated(self, read_deleted=None):
        """A copy with administrator's rights, for work that the service does on its own behalf."""
        other = self.copy()
        other.roles = [*other.roles, ADMIN_ROLE] if ADMIN_ROLE not in other.roles else other.roles
        other.is_admin = True
        if read_deleted is not None:
            other.read_deleted = read_deleted
        return other

    def copy(self):
        """A context of its own: it does not join the transactions of this one."""
        other = copy.copy(self)
        other.roles = list(self.roles)
        other.db_transactions = {}
        return other

    def can_see(self, project_id):
        """Whether things of this project exist for the caller."""
        return self.is_admin or (self.project_id is not None and self.project_id == project_id)

    def __repr__(self):
        return f'<RequestContext {self.request_id} user={self.user_id} project={self.project_id}>'


def get_admin_context(read_deleted='no'):
    """The context of work that no user asked for (periodic tasks, start-up)."""
    return RequestContext(is_admin=True, roles=[ADMIN_ROLE], read_deleted=read_deleted, overwrite=False)


@contextlib.contextmanager
def target_cell(context, cell_mapping):
    """Yield a copy of `context` whose queries and calls go to the given cell (None: the configured one)."""
    other = context.copy()
    other.cell = cell_mapping
    yield other
