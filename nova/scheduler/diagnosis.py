# SPDX-License-Identifier: Apache-2.0
"""Why hosts were refused: values while deciding, words when somebody reads.

    Refusal     what one filter has against one host
    Diagnosis   all refusals of one request, counted by filter, with the nearest miss of each
"""

import collections
import dataclasses

#: Reason of a refusal -> what a user reads.  It names no host and no capacity.
USER_WORDS = {
    'memory': 'not enough memory',
    'vcpus': 'not enough CPUs',
    'disk': 'not enough disk',
    'service': 'hosts out of service',
    'zone': 'the availability zone',
    'image': 'what the image requires',
    'tried': 'the build failed on hosts that were tried',
    'same_host': 'the hint same_host',
    'different_host': 'the hint different_host',
    'destination': 'the host that was asked for',
    'source': 'the host that the server is on',
    'flavor': "what the flavor's extra specs require",
    'traits': 'the traits that are required',
    'resources': 'resources that the flavor asks for',
    'numa': 'the NUMA topology',
    'pci': 'PCI devices',
    'tenant': 'hosts kept for other projects',
    'full': 'hosts with all the servers they may have',
    'busy': 'hosts busy with other servers',
    'query': 'the hint query',
    'near': 'the hint build_near_host_ip',
    'trust': 'the trust that the flavor requires',
    'server_group': 'the policy of the server group',
    'cell': 'the cell that the server is in',
    'claim': 'other servers that came first',
}
_OTHER = 'other rules of this site'


@dataclasses.dataclass(slots=True, frozen=True)
class Refusal:
    """What a filter has against a host.

    reason: a key of USER_WORDS, or a word of a filter from elsewhere.
    needs, best, unit: for what is a number: what the server needs and what this host has.
    word: for what is not: a constant that says which case it is ('down', 'other zone').
    may_change: whether waiting, or another try, may help; False for what will never be.
    """

    reason: str | None = None
    needs: float | None = None
    best: float | None = None
    unit: str = ''
    word: str = ''
    may_change: bool = True

    def __str__(self):
        if self.needs is not None:
            return f'has {_number(self.best)} of {_number(self.needs)} {self.unit}'.rstrip()
        return self.word

    def is_nearer_than(self, other):
        return other is None or other.best is None or (self.best is not None and self.best > other.best)


def _number(value):
    return f'{value:,.0f}' if float(value).is_integer() else f'{value:,.2f}'


class _Tally:
    """What one filter refused."""

    __slots__ = ('count', 'may_change', 'nearest', 'reasons', 'words')

    def __init__(self):
        self.count = 0
        self.nearest = None
        self.words = collections.Counter()
        self.reasons = set()
        self.may_change = False

    def add(self, refusal):
        self.count += 1
        self.may_change = self.may_change or refusal.may_change
        self.reasons.add(refusal.reason)
        if refusal.needs is not None:
            if refusal.is_nearer_than(self.nearest):
                self.nearest = refusal
        elif refusal.word:
            self.words[refusal.word] += 1

    def details(self):
        parts = []
        if self.nearest is not None:
            parts.append(f'best {self.nearest}')
        if len(self.words) == 1 and self.words.total() == self.count:
            parts.append(next(iter(self.words)))
        else:
            parts += [f'{count:,} {word}' for word, count in self.words.most_common()]
        return f' ({", ".join(parts)})' if parts else ''


#: What a filter that says only True or False is taken to say.
NO_REASON = Refusal()


class Diagnosis:
    """The refusals of one request.  `total`: how many hosts were looked at."""

    def __init__(self, total=0):
        self.total = total
        self._tallies = {}
        # (filter name, host) pairs whose refusal is not asked for before somebody reads.
        self._unasked = []

    def add(self, name, refusal):
        """A filter refused a host."""
        tally = self._tallies.get(name)
        if tally is None:
            tally = self._tallies[name] = _Tally()
        tally.add(refusal)

    def add_later(self, name, count, ask):
        """A filter refused `count` hosts; `ask()` yields the refusals if they are wanted."""
        self._tallies.setdefault(name, _Tally())
        self._unasked.append((name, count, ask))

    def counts(self):
        """{filter: how many hosts it refused}, in the order of the filters."""
        counts = {name: tally.count for name, tally in self._tallies.items()}
        for name, count, _ask in self._unasked:
            counts[name] += count
        return counts

    def _asked(self):
        unasked, self._unasked = self._unasked, []
        for name, _count, ask in unasked:
            tally = self._tallies[name]
            for refusal in ask():
                tally.add(refusal)
        return self._tallies

    @property
    def may_change(self):
        """Whether waiting, or another try, may help: somewhere something is in the way that may go away."""
        return not self.total or any(tally.may_change for tally in self._asked().values())

    def admin_text(self):
        """For an administrator: who refused how many hosts, and how near the nearest was."""
        if not self.total:
            return 'No valid host: there is no compute host.'
        parts = [f'{name} {tally.count:,}{tally.details()}' for name, tally in self._asked().items() if tally.count]
        said = f' {", ".join(parts)}.' if parts else ''
        return f'No valid host: 0 of {self.total:,}.{said}'

    def user_text(self):
        """For a user: the same, without names and capacities."""
        text = 'No valid host was found. There are not enough hosts available'
        words = []
        for tally in self._asked().values():
            for reason in sorted(tally.reasons, key=str):
                word = USER_WORDS.get(reason, _OTHER)
                if word not in words:
                    words.append(word)
        return f'{text}: {"; ".join(words)}.' if words else f'{text}.'
