# SPDX-License-Identifier: Apache-2.0
import operator
import re

from nova.scheduler import filters
from nova.scheduler.diagnosis import Refusal

# What the host cannot be changed into while a server waits.
OTHER_KIND = Refusal('image', word='of another architecture or hypervisor', may_change=False)
OTHER_VERSION = Refusal('image', word='of another hypervisor version', may_change=False)

# property -> (its older names), and other spellings of its values
_ARCHITECTURE = ('hw_architecture', 'architecture')
_HYPERVISOR = ('img_hv_type', 'hypervisor_type')
_MODE = ('hw_vm_mode', 'vm_mode')
_VERSION = ('img_hv_requested_version', 'hypervisor_version_requires')
_SPELLINGS = {
    'amd64': 'x86_64', 'x86': 'i686', 'i386': 'i686', 'i486': 'i686', 'i586': 'i686', 'powerpc': 'ppc',
    'arm64': 'aarch64', 'xapi': 'xen', 'pv': 'xen', 'hv': 'hvm', 'baremetal': 'ironic',
}
_COMPARISONS = {'==': operator.eq, '!=': operator.ne, '<=': operator.le, '>=': operator.ge, '<': operator.lt,
                '>': operator.gt, '': operator.eq}
_CONDITION = re.compile(r'\s*(==|!=|<=|>=|<|>|)\s*(\d+(?:\.\d+)*)\s*$')


class ImagePropertiesFilter(filters.HostFilter):
    """The host can run what the image says it is: architecture, hypervisor type, machine mode, hypervisor version."""

    run_filter_once_per_request = True
    RUN_ON_REBUILD = True

    def applies(self, request):
        properties = request.image_properties
        return any(properties.get(name) for names in (_ARCHITECTURE, _HYPERVISOR, _MODE, _VERSION) for name in names)

    def refuse(self, host, request):
        wanted = [_value(request.image_properties, names) for names in (_ARCHITECTURE, _HYPERVISOR, _MODE)]
        if any(wanted) and not any(all(want is None or want == _canonical(has)
                                       for want, has in zip(wanted, spec, strict=False))
                                   for spec in host.supported_instances or ()):
            return OTHER_KIND
        version = _value(request.image_properties, _VERSION)
        if version is not None and not version_matches(host.hypervisor_version, version):
            return OTHER_VERSION
        return None

    def mask(self, hosts, request):
        return hosts.judge_kinds('image_kind', lambda host: self.refuse(host, request) is None)


def _value(properties, names):
    return next((_canonical(properties[name]) for name in names if properties.get(name)), None)


def _canonical(value):
    value = str(value).strip().lower()
    return _SPELLINGS.get(value, value)


def version_matches(version, conditions):
    """Whether a version (as hypervisors number it: 1002003 is 1.2.3) meets all conditions ('>=1.2,<3').

    A condition that cannot be read is not met.
    """
    version = int(version or 0)
    has = (version // 1000000, version // 1000 % 1000, version % 1000)
    for condition in conditions.split(','):
        match = _CONDITION.match(condition)
        if match is None:
            return False
        numbers = tuple(int(number) for number in match[2].split('.'))[:3]
        if not _COMPARISONS[match[1]](has, numbers + (0,) * (3 - len(numbers))):
            return False
    return True
