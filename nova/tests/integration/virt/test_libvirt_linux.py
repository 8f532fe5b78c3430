# SPDX-License-Identifier: Apache-2.0
"""Guests that run a Linux."""

from nova.tests.integration.virt import hosted

#: For the order of the groups of tests.
TAKES_S = 245


class TestLinux(hosted.HostCase):
    name = 'linux'

    def test_a_linux_in_the_guest(self):
        self.run_inside('guests_linux', NOVA_TEST_GUEST=self.linux())

    def test_images_and_rescue_of_a_linux(self):
        self.run_inside('guests_linux_images', NOVA_TEST_GUEST=self.linux())

    def test_shares(self):
        self.run_inside('guests_shares', NOVA_TEST_GUEST=self.linux())

    def test_a_share_through_the_whole_service(self):
        self.run_inside('guests_shares_api', NOVA_TEST_GUEST=self.linux())
