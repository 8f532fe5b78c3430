# SPDX-License-Identifier: Apache-2.0
"""The first tables of `api`."""

import sqlalchemy as sa
from alembic import op

from nova.db import types

revision = '0001'
down_revision = None


def upgrade():
    op.create_table(
        'agent_builds',
        sa.Column('id', types.BIG_ID, primary_key=True),
        sa.Column('hypervisor', sa.String(255), nullable=False),
        sa.Column('os', sa.String(255), nullable=False),
        sa.Column('architecture', sa.String(255), nullable=False),
        sa.Column('version', sa.String(255), nullable=False),
        sa.Column('url', sa.String(255), nullable=False),
        sa.Column('md5hash', sa.String(255), nullable=False),
        sa.Column('created_at', types.MOMENT),
        sa.Column('updated_at', types.MOMENT),
        sa.UniqueConstraint('hypervisor', 'os', 'architecture', name='uniq_agent_builds0hypervisor0os0architecture'),
        mysql_engine='InnoDB', mysql_charset='utf8mb4',
    )
    op.create_table(
        'aggregate_hosts',
        sa.Column('aggregate_id', types.BIG_ID, primary_key=True),
        sa.Column('host', sa.String(255), primary_key=True),
        mysql_engine='InnoDB', mysql_charset='utf8mb4',
    )
    op.create_index('aggregate_hosts_host_idx', 'aggregate_hosts',
                    ['host'])
    op.create_table(
        'aggregates',
        sa.Column('id', types.BIG_ID, primary_key=True),
        sa.Column('uuid', sa.String(36), nullable=False),
        sa.Column('name', sa.String(255), nullable=False),
        sa.Column('metadata', types.Json()),
        sa.Column('created_at', types.MOMENT),
        sa.Column('updated_at', types.MOMENT),
        sa.UniqueConstraint('name', name='uniq_aggregates0name'),
        mysql_engine='InnoDB', mysql_charset='utf8mb4',
    )
    op.create_table(
        'cell_mappings',
        sa.Column('id', types.BIG_ID, primary_key=True),
        sa.Column('uuid', sa.String(36), nullable=False),
        sa.Column('name', sa.String(255)),
        sa.Column('transport_url', types.LONG_TEXT),
        sa.Column('database_connection', types.LONG_TEXT),
        sa.Column('disabled', sa.Boolean(), nullable=False),
        sa.Column('created_at', types.MOMENT),
        sa.Column('updated_at', types.MOMENT),
        sa.UniqueConstraint('uuid', name='uniq_cell_mappings0uuid'),
        mysql_engine='InnoDB', mysql_charset='utf8mb4',
    )
    op.create_table(
        'flavor_projects',
        sa.Column('flavor_id', types.BIG_ID, primary_key=True),
        sa.Column('project_id', sa.String(255), primary_key=True),
        mysql_engine='InnoDB', mysql_charset='utf8mb4',
    )
    op.create_index('flavor_projects_project_idx', 'flavor_projects',
                    ['project_id'])
    op.create_table(
        'flavors',
        sa.Column('id', types.BIG_ID, primary_key=True),
        sa.Column('name', sa.String(255), nullable=False),
        sa.Column('flavorid', sa.String(255), nullable=False),
        sa.Column('memory_mb', sa.Integer(), nullable=False),
        sa.Column('vcpus', sa.Integer(), nullable=False),
        sa.Column('root_gb', sa.Integer(), nullable=False),
        sa.Column('ephemeral_gb', sa.Integer(), nullable=False),
        sa.Column('swap', sa.Integer(), nullable=False),
        sa.Column('rxtx_factor', sa.Float()),
        sa.Column('vcpu_weight', sa.Integer()),
        sa.Column('disabled', sa.Boolean(), nullable=False),
        sa.Column('is_public', sa.Boolean(), nullable=False),
        sa.Column('description', types.LONG_TEXT),
        sa.Column('extra_specs', types.Json()),
        sa.Column('created_at', types.MOMENT),
        sa.Column('updated_at', types.MOMENT),
        sa.UniqueConstraint('flavorid', name='uniq_flavors0flavorid'),
        sa.UniqueConstraint('name', name='uniq_flavors0name'),
        mysql_engine='InnoDB', mysql_charset='utf8mb4',
    )
    op.create_table(
        'host_mappings',
        sa.Column('id', types.BIG_ID, primary_key=True),
        sa.Column('cell_id', types.BIG_ID, nullable=False),
        sa.Column('host', sa.String(255), nullable=False),
        sa.Column('created_at', types.MOMENT),
        sa.Column('updated_at', types.MOMENT),
        sa.UniqueConstraint('host', name='uniq_host_mappings0host'),
        mysql_engine='InnoDB', mysql_charset='utf8mb4',
    )
    op.create_table(
        'instance_group_members',
        sa.Column('group_id', types.BIG_ID, primary_key=True),
        sa.Column('instance_uuid', sa.String(36), primary_key=True),
        mysql_engine='InnoDB', mysql_charset='utf8mb4',
    )
    op.create_index('instance_group_members_uuid_idx', 'instance_group_members',
                    ['instance_uuid'])
    op.create_table(
        'instance_groups',
        sa.Column('id', types.BIG_ID, primary_key=True),
        sa.Column('uuid', sa.String(36), nullable=False),
        sa.Column('user_id', sa.String(255)),
        sa.Column('project_id', sa.String(255)),
        sa.Column('name', sa.String(255)),
        sa.Column('policy', sa.String(64)),
        sa.Column('rules', types.Json()),
        sa.Column('created_at', types.MOMENT),
        sa.Column('updated_at', types.MOMENT),
        sa.UniqueConstraint('uuid', name='uniq_instance_groups0uuid'),
        mysql_engine='InnoDB', mysql_charset='utf8mb4',
    )
    op.create_index('instance_groups_project_idx', 'instance_groups',
                    ['project_id'])
    op.create_table(
        'instance_mappings',
        sa.Column('id', types.BIG_ID, primary_key=True),
        sa.Column('instance_uuid', sa.String(36), nullable=False),
        sa.Column('cell_id', types.BIG_ID),
        sa.Column('project_id', sa.String(255)),
        sa.Column('user_id', sa.String(255)),
        sa.Column('cores', sa.Integer(), nullable=False),
        sa.Column('ram', sa.Integer(), nullable=False),
        sa.Column('queued_for_delete', sa.Boolean(), nullable=False),
        sa.Column('created_at', types.MOMENT),
        sa.Column('updated_at', types.MOMENT),
        sa.UniqueConstraint('instance_uuid', name='uniq_instance_mappings0instance_uuid'),
        mysql_engine='InnoDB', mysql_charset='utf8mb4',
    )
    op.create_index('instance_mappings_quota_idx', 'instance_mappings',
                    ['project_id', 'queued_for_delete', 'user_id', 'cores', 'ram'])
    op.create_table(
        'key_pairs',
        sa.Column('id', types.BIG_ID, primary_key=True),
        sa.Column('name', sa.String(255), nullable=False),
        sa.Column('user_id', sa.String(255), nullable=False),
        sa.Column('fingerprint', sa.String(255)),
        sa.Column('public_key', types.LONG_TEXT),
        sa.Column('type', sa.String(8), nullable=False),
        sa.Column('created_at', types.MOMENT),
        sa.Column('updated_at', types.MOMENT),
        sa.UniqueConstraint('user_id', 'name', name='uniq_key_pairs0user_id0name'),
        mysql_engine='InnoDB', mysql_charset='utf8mb4',
    )
    op.create_table(
        'quota_limits',
        sa.Column('id', types.BIG_ID, primary_key=True),
        sa.Column('class_name', sa.String(255), nullable=False),
        sa.Column('project_id', sa.String(255), nullable=False),
        sa.Column('user_id', sa.String(255), nullable=False),
        sa.Column('resource', sa.String(64), nullable=False),
        sa.Column('hard_limit', sa.Integer(), nullable=False),
        sa.Column('created_at', types.MOMENT),
        sa.Column('updated_at', types.MOMENT),
        sa.UniqueConstraint('class_name', 'project_id', 'user_id', 'resource', name='uniq_quota_limits0who0resource'),
        mysql_engine='InnoDB', mysql_charset='utf8mb4',
    )
    op.create_table(
        'quota_locks',
        sa.Column('project_id', sa.String(255), primary_key=True),
        mysql_engine='InnoDB', mysql_charset='utf8mb4',
    )
    op.create_table(
        'request_specs',
        sa.Column('instance_uuid', sa.String(36), primary_key=True),
        sa.Column('spec', types.Json()),
        sa.Column('created_at', types.MOMENT),
        sa.Column('updated_at', types.MOMENT),
        mysql_engine='InnoDB', mysql_charset='utf8mb4',
    )
    op.create_table(
        'volume_attachments',
        sa.Column('id', sa.String(36), primary_key=True),
        sa.Column('volume_id', sa.String(36), nullable=False),
        sa.Column('instance_uuid', sa.String(36), nullable=False),
        sa.Column('device', sa.String(255)),
        sa.Column('created_at', types.MOMENT),
        sa.Column('updated_at', types.MOMENT),
        mysql_engine='InnoDB', mysql_charset='utf8mb4',
    )
    op.create_index('volume_attachments_instance_idx', 'volume_attachments',
                    ['instance_uuid'])
    op.create_index('volume_attachments_volume_idx', 'volume_attachments',
                    ['volume_id'])
    op.create_table(
        'volume_snapshots',
        sa.Column('id', sa.String(36), primary_key=True),
        sa.Column('volume_id', sa.String(36), nullable=False),
        sa.Column('project_id', sa.String(255)),
        sa.Column('user_id', sa.String(255)),
        sa.Column('name', sa.String(255)),
        sa.Column('description', sa.String(255)),
        sa.Column('size_gb', sa.Integer(), nullable=False),
        sa.Column('status', sa.String(32), nullable=False),
        sa.Column('metadata', types.Json()),
        sa.Column('created_at', types.MOMENT),
        sa.Column('updated_at', types.MOMENT),
        mysql_engine='InnoDB', mysql_charset='utf8mb4',
    )
    op.create_index('volume_snapshots_project_idx', 'volume_snapshots',
                    ['project_id', 'created_at'])
    op.create_index('volume_snapshots_volume_idx', 'volume_snapshots',
                    ['volume_id'])
    op.create_table(
        'volumes',
        sa.Column('id', sa.String(36), primary_key=True),
        sa.Column('project_id', sa.String(255)),
        sa.Column('user_id', sa.String(255)),
        sa.Column('name', sa.String(255)),
        sa.Column('description', sa.String(255)),
        sa.Column('size_gb', sa.Integer(), nullable=False),
        sa.Column('status', sa.String(32), nullable=False),
        sa.Column('volume_type', sa.String(255)),
        sa.Column('availability_zone', sa.String(255)),
        sa.Column('snapshot_id', sa.String(36)),
        sa.Column('image_id', sa.String(36)),
        sa.Column('bootable', sa.Boolean(), nullable=False),
        sa.Column('multiattach', sa.Boolean(), nullable=False),
        sa.Column('read_only', sa.Boolean(), nullable=False),
        sa.Column('metadata', types.Json()),
        sa.Column('image_metadata', types.Json()),
        sa.Column('created_at', types.MOMENT),
        sa.Column('updated_at', types.MOMENT),
        mysql_engine='InnoDB', mysql_charset='utf8mb4',
    )
    op.create_index('volumes_project_idx', 'volumes',
                    ['project_id', 'created_at'])
