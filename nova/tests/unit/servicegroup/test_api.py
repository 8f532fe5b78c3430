# SPDX-License-Identifier: Apache-2.0
import datetime
import types
import unittest

from oslo_utils import timeutils

from nova import servicegroup
from nova.conf import CONF


class ServiceGroupTestCase(unittest.TestCase):

    def setUp(self):
        CONF([], default_config_files=[])

    def is_up(self, age_s, forced_down=False):
        seen = None if age_s is None else timeutils.utcnow(True) - datetime.timedelta(seconds=age_s)
        return servicegroup.API().service_is_up(types.SimpleNamespace(last_seen_up=seen, forced_down=forced_down))

    def test_a_service_is_up_for_as_long_as_its_signs_of_life_are_young(self):
        for age_s, up in ((0, True), (59, True), (61, False), (None, False), (-59, True), (-61, False)):
            with self.subTest(age_s=age_s):
                self.assertIs(up, self.is_up(age_s))

    def test_an_administrator_may_say_that_it_is_down(self):
        self.assertFalse(self.is_up(0, forced_down=True))

    def test_one_late_sign_is_no_death(self):
        CONF.set_override('service_down_time', 5)
        self.addCleanup(CONF.clear_override, 'service_down_time')
        self.assertTrue(self.is_up(19))
        self.assertFalse(self.is_up(21))
