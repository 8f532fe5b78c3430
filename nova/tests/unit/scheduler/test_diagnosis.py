# SPDX-License-Identifier: Apache-2.0
import unittest

from nova.scheduler.diagnosis import Diagnosis, Refusal

DOWN, DISABLED = Refusal('service', word='down'), Refusal('service', word='disabled')


def memory(best, may_change=True):
    return Refusal('memory', needs=2048, best=best, unit='MiB', may_change=may_change)


# hosts, [(filter, refusal, how often)], text for an administrator, text for a user, may it change
CASES = [
    (120, [('RamFilter', memory(1512), 1), ('RamFilter', memory(100), 36), ('ComputeFilter', DOWN, 3),
           ('ServerGroupAntiAffinityFilter', Refusal(), 80)],
     ('No valid host: 0 of 120. RamFilter 37 (best has 1,512 of 2,048 MiB), ComputeFilter 3 (down), '
      'ServerGroupAntiAffinityFilter 80.'),
     ('No valid host was found. There are not enough hosts available: not enough memory; hosts out of service; '
      'other rules of this site.'), True),
    (4000, [('ComputeFilter', DISABLED, 1), ('ComputeFilter', DOWN, 3999)],
     'No valid host: 0 of 4,000. ComputeFilter 4,000 (3,999 down, 1 disabled).',
     'No valid host was found. There are not enough hosts available: hosts out of service.', True),
    (0, [], 'No valid host: there is no compute host.',
     'No valid host was found. There are not enough hosts available.', True),
    (2, [('RamFilter', memory(100, may_change=False), 2)],
     'No valid host: 0 of 2. RamFilter 2 (best has 100 of 2,048 MiB).',
     'No valid host was found. There are not enough hosts available: not enough memory.', False),
    (1, [('CoreFilter', Refusal('vcpus', needs=4, best=-1, unit='CPUs'), 1)],
     'No valid host: 0 of 1. CoreFilter 1 (best has -1 of 4 CPUs).',
     'No valid host was found. There are not enough hosts available: not enough CPUs.', True),
]


class TestDiagnosis(unittest.TestCase):
    def test_the_words_for_each_case(self):
        for total, refusals, admin, user, may_change in CASES:
            found = Diagnosis(total)
            for name, refusal, times in refusals:
                for _time in range(times):
                    found.add(name, refusal)
            with self.subTest(admin):
                self.assertEqual((admin, user, may_change), (found.admin_text(), found.user_text(), found.may_change))

    def test_reasons_are_asked_for_only_when_somebody_reads(self):
        found, asked = Diagnosis(3), []

        def ask():
            asked.append(True)
            return [memory(5), memory(7)]
        found.add('RamFilter', memory(1))
        found.add_later('RamFilter', 2, ask)
        self.assertEqual(({'RamFilter': 3}, []), (found.counts(), asked))
        for _again in range(2):
            self.assertEqual('No valid host: 0 of 3. RamFilter 3 (best has 7 of 2,048 MiB).', found.admin_text())
        self.assertEqual(({'RamFilter': 3}, [True]), (found.counts(), asked))
