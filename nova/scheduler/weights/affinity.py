# SPDX-License-Identifier: Apache-2.0
from nova.scheduler import weights


class _OfGroup:
    """By how many servers of the request's group the host has."""

    policy = sign = None

    def applies(self, request):
        return request.group_policy == self.policy

    def _weigh_object(self, host_state, weight_properties):
        return self.sign * weight_properties.hosts_of_group().get(host_state.host, 0)


class ServerGroupSoftAffinityWeigher(_OfGroup, weights.BaseHostWeigher):
    """Prefers hosts with many servers of a group with the policy `soft-affinity`."""

    policy, sign = 'soft-affinity', 1

    def weight_multiplier(self, host_state=None):
        return weights.multiplier('soft_affinity_weight_multiplier', host_state)


class ServerGroupSoftAntiAffinityWeigher(_OfGroup, weights.BaseHostWeigher):
    """Prefers hosts with few servers of a group with the policy `soft-anti-affinity`."""

    policy, sign = 'soft-anti-affinity', -1

    def weight_multiplier(self, host_state=None):
        return weights.multiplier('soft_anti_affinity_weight_multiplier', host_state)
