# SPDX-License-Identifier: Apache-2.0
"""Who may do what.  Rules stand beside what they guard (`Rule` in a route or a view); a policy file may change them.

The default of a rule is one of the roles of the API specification, section 8.  While a rule has its default it is
decided by a Python function; only a rule that the policy file changes goes through the file's language.
"""

import dataclasses

from oslo_config import cfg
from oslo_log import log
from oslo_policy import opts as policy_opts
from oslo_policy import policy

from nova import exception
from nova.conf import CONF

LOG = log.getLogger(__name__)
PREFIX = 'os_compute_api:'


@dataclasses.dataclass(frozen=True)
class Role:
    """Who may, by default: in the language of policy files, and as a function of (context, target)."""

    check: str
    allows: object
    what: str

    def __repr__(self):
        return self.check


def _of_project(*roles):
    def allows(context, target):
        if context.is_admin:
            return True
        project = target.get('project_id')
        return (project is not None and project == context.project_id
                and any(role in context.roles for role in roles))
    return allows


ADMIN = Role('rule:context_is_admin', lambda context, target: context.is_admin, 'administrators')
SERVICE = Role('rule:service_or_admin', lambda context, target: context.is_admin or 'service' in context.roles,
               'services and administrators')
MANAGER = Role('rule:project_manager_or_admin', _of_project('manager'), 'managers of the project')
MEMBER = Role('rule:project_member_or_admin', _of_project('member', 'manager'), 'members of the project')
READER = Role('rule:project_reader_or_admin', _of_project('reader', 'member', 'manager'), 'readers of the project')
ANYBODY = Role('@', lambda context, target: True, 'everybody with a token')
USER = Role('(rule:context_is_admin) or user_id:%(user_id)s',
            lambda context, target: context.is_admin or target.get('user_id') == context.user_id, 'the user itself')
NOBODY = Role('!', lambda context, target: False, 'nobody')

#: Rules that others are made of.
BASE = (
    ('context_is_admin', 'role:admin'),
    ('admin_or_owner', 'is_admin:True or project_id:%(project_id)s'),
    ('admin_api', 'is_admin:True'),
    ('project_manager_api', 'role:manager and project_id:%(project_id)s'),
    ('project_member_api', 'role:member and project_id:%(project_id)s'),
    ('project_reader_api', 'role:reader and project_id:%(project_id)s'),
    ('service_api', 'role:service'),
    ('project_manager_or_admin', 'rule:project_manager_api or rule:context_is_admin'),
    ('project_member_or_admin', 'rule:project_member_api or rule:context_is_admin'),
    ('project_reader_or_admin', 'rule:project_reader_api or rule:context_is_admin'),
    ('service_or_admin', 'rule:service_api or rule:context_is_admin'),
)
_BASE_NAMES = frozenset(name for name, _check in BASE)
_rules = {}
_enforcer = None
_changed = frozenset()


@dataclasses.dataclass(frozen=True)
class Rule:
    """A rule and its default.

    :param name: without the prefix `os_compute_api:`, which is added unless it begins with `compute:` or `network:`.
    :param formerly: the coarser name that older policy files use; honoured where the rule itself is not configured.
    """

    name: str
    role: Role
    description: str = ''
    formerly: str | None = None

    def __post_init__(self):
        full = self.name if self.name.startswith(('compute:', 'network:', PREFIX)) else PREFIX + self.name
        object.__setattr__(self, 'name', full)
        known = _rules.get(full)
        if known is not None and known.role is not self.role:
            raise ValueError(f'{full} is declared twice, with different defaults')
        _rules.setdefault(full, self)


def list_rules():
    """Every rule with its default, for the sample generator and the enforcer."""
    found = [policy.RuleDefault(name, check) for name, check in BASE]
    found.extend(policy.RuleDefault(rule.name, rule.role.check, rule.description or f'Default: {rule.role.what}.')
                 for rule in sorted(_rules.values(), key=lambda rule: rule.name))
    return found


def get_enforcer():
    """The enforcer with all rules registered (entry point of oslo.policy's tools)."""
    init()
    return _enforcer


def init():
    """Read the policy file.  Done at first use; `reset` forgets."""
    global _enforcer, _changed
    if _enforcer is not None:
        return
    policy_opts.set_defaults(CONF, policy_file='policy.yaml')
    enforcer = policy.Enforcer(CONF, fallback_to_json_file=False)
    enforcer.suppress_deprecation_warnings = True
    for rule in list_rules():
        enforcer.register_default(rule)
    try:
        enforcer.load_rules()
    except (cfg.ConfigFilesNotFoundError, cfg.NotInitializedError):
        LOG.debug('There is no policy file; all rules have their defaults')
    in_file = set(enforcer.file_rules)
    if in_file & _BASE_NAMES:
        # What all others are made of is different: nothing is decided without asking.
        _changed = frozenset(_rules)
    else:
        _changed = frozenset(name for name, rule in _rules.items()
                             if name in in_file or (rule.formerly and PREFIX + rule.formerly in in_file))
    _enforcer = enforcer


def reset():
    """Forget what was read (SIGHUP, tests)."""
    global _enforcer, _changed
    if _enforcer is not None:
        _enforcer.clear()
    _enforcer, _changed = None, frozenset()


def check(context, rule, target=None):
    """Whether the caller may.

    :param rule: a `Rule` or its name.
    :param target: {'project_id', 'user_id'} of what it is about; the caller's own unless given.
    """
    rule = _named(rule)
    if target is None:
        target = {'project_id': context.project_id, 'user_id': context.user_id}
    if _enforcer is None:
        init()
    if rule.name not in _changed:
        return bool(rule.role.allows(context, target))
    name = rule.name
    if name not in _enforcer.file_rules and rule.formerly and PREFIX + rule.formerly in _enforcer.file_rules:
        name = PREFIX + rule.formerly
    credentials = context.to_policy_values()
    credentials['is_admin'] = context.is_admin
    return bool(_enforcer.enforce(name, dict(target), credentials))


def is_admin(context):
    """Whether the caller is an administrator: the role `admin`, unless the policy file's `context_is_admin` differs."""
    if _enforcer is None:
        init()
    if 'context_is_admin' not in _enforcer.file_rules:
        return any(role.lower() == 'admin' for role in context.roles)
    credentials = context.to_policy_values()
    return bool(_enforcer.enforce('context_is_admin', {}, credentials))


def authorize(context, rule, target=None, exc=exception.PolicyNotAuthorized):
    """Raise `exc`, naming the rule, unless the caller may."""
    rule = _named(rule)
    if not check(context, rule, target):
        raise exc(action=rule.name)


def _named(rule):
    if isinstance(rule, Rule):
        return rule
    return _rules[rule if rule.startswith(('compute:', 'network:', PREFIX)) else PREFIX + rule]
