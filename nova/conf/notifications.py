# SPDX-License-Identifier: Apache-2.0
"""What is told to those who listen to notifications, and how.  Where it goes is [oslo_messaging_notifications]."""

from oslo_config import cfg

GROUP = cfg.OptGroup('notifications', title='Notifications',
                     help='Messages about what happens, for billing, inventories and audits. Nothing is made or sent '
                          'unless [oslo_messaging_notifications]driver names a driver (messagingv2, or log).')

OPTS = [
    cfg.StrOpt('notification_format', default='unversioned', choices=('unversioned', 'versioned', 'both'),
               deprecated_group='DEFAULT',
               help='Which form is sent: unversioned (plain dictionaries, on the topics of '
                    '[oslo_messaging_notifications]topics), versioned (payloads with a name and a version, on '
                    'versioned_notifications_topics), or both.'),
    cfg.ListOpt('versioned_notifications_topics', default=['versioned_notifications'],
                help='Topics of versioned notifications; each listener should have one of its own.'),
    cfg.StrOpt('notify_on_state_change', choices=('vm_state', 'vm_and_task_state'), deprecated_group='DEFAULT',
               help='Whether compute.instance.update and instance.update are sent: vm_state: when the state of a '
                    'server changes; vm_and_task_state: also when its task does. With either, also when its name, '
                    'metadata or tags do. Unset: never.'),
    cfg.StrOpt('default_level', default='INFO', choices=('DEBUG', 'INFO', 'WARN', 'ERROR', 'CRITICAL'),
               ignore_case=True,
               deprecated_opts=[cfg.DeprecatedOpt('default_notification_level', group='DEFAULT')],
               help='Priority of notifications that tell of no error; the errors have ERROR. It is the end of the '
                    "queue's name: notifications.info."),
    cfg.StrOpt('default_publisher_id', deprecated_group='DEFAULT',
               help='Host part of the publisher of what nova-api tells. Unset: [DEFAULT]host.'),
    cfg.BoolOpt('notify_on_api_faults', default=False,
                deprecated_opts=[cfg.DeprecatedOpt('notify_api_faults', group='DEFAULT')],
                help='Whether api.fault (unversioned) is sent when a request ends with an error of ours (500).'),
    cfg.BoolOpt('bdms_in_notifications', default=False,
                help='Whether versioned notifications of servers tell of their volumes. Where the sender does not '
                     'have them at hand that is one more query for each.'),
    cfg.BoolOpt('include_share_mapping', default=False,
                help='Whether versioned notifications of servers tell of the shares attached to them. That is one more '
                     'query for each.'),
]
