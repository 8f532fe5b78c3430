# SPDX-License-Identifier: Apache-2.0
"""A Linux in the guest: what is in its images, how it is rescued, what its agent is told."""

import re
import socket

from nova import objects
from nova.network import model
from nova.tests.integration.virt import guests_linux
from nova.virt.libvirt import errors

#: Answers as QEMU's agent does, and says on the console what it was told.  Until libvirt has taken the other end of
#: the channel there is an end of file to read, not nothing: QEMU's agent too looks again a little later.
AGENT = rb'''
exec 3<>$(ls /dev/vport*p1)
while :; do
read -r l <&3 || { sleep 1; continue; }
id=${l##*'"id":'}; id=${id%%\}*}
case $l in
*sync-delimited*) printf '\377{"return": %s}\n' $id >&3 ;;
*sync*) echo '{"return": '$id'}' >&3 ;;
*fsfreeze*) echo '{"return": 1}' >&3 ;;
*) echo '{"return": {}}' >&3 ;;
esac
echo "TOLD $l"
done
'''


class LinuxImageCase(guests_linux.LinuxCase):
    def setUp(self):
        super().setUp()
        self.image_id = self.upload_guest('guest.qcow2', 'qcow2')

    def snapshot(self, server):
        image_id = self.images.create(self.context, {'name': 'copy'})['id']
        self.driver.snapshot(self.context, server, image_id, lambda **_states: None)
        return image_id

    def ticks(self, server):
        return sum(text.startswith('tick') for text in self.said(server))

    def meta(self, image_id):
        return objects.ImageMeta.from_dict(self.images.get(self.context, image_id))


class TestImages(LinuxImageCase):
    def test_what_a_running_guest_wrote_is_in_its_image(self):
        server = self.spawn(self.make_server(self.image_id, memory_mb=128))
        self.assertIn('boot 1', self.wait_until_ready(server))
        image_id, ticks = self.snapshot(server), self.ticks(server)
        copy = self.spawn(self.make_server(image_id, memory_mb=128))
        self.assertIn('boot 2', self.wait_until_ready(copy))
        self.wait_for(lambda: self.ticks(server) > ticks + 1, 'that the guest goes on')
        self.assertEqual(1, self.said(server).count('ready'))


class TestRescue(LinuxImageCase):
    def test_its_own_disk_is_beside_the_rescue_system_and_boots_again_afterwards(self):
        server = self.spawn(self.make_server(self.image_id, memory_mb=128))
        self.assertIn('boot 1', self.wait_until_ready(server))
        self.driver.power_off(server, 30, 5)
        rescue_image = self.upload_guest('guest.raw', 'raw')
        self.driver.rescue(self.context, server, model.NetworkInfo(), self.meta(rescue_image), 'secret')
        said = self.wait_until_ready(server, times=2)
        self.line(said, f'disk vdb {1 << 30}')
        self.assertEqual(['boot 1', 'boot 1'], [text for text in said if re.fullmatch(r'boot \d+', text)])
        self.driver.unrescue(server, model.NetworkInfo())
        said = self.wait_until_ready(server, times=3)
        self.assertEqual('boot 2', [text for text in said if re.fullmatch(r'boot \d+', text)][-1])


class TestInTheGuest(LinuxImageCase):
    def setUp(self):
        super().setUp()
        self.options('serial_console', enabled=True)
        self.server = self.spawn(self.make_server(self.image_id, memory_mb=128, properties={
            'hw_qemu_guest_agent': 'yes', 'os_require_quiesce': 'yes'}))
        self.wait_until_ready(self.server)
        console = self.driver.get_serial_console(self.context, self.server)
        self.shell = self.enterContext(socket.create_connection((console.host, console.port), timeout=30))
        self.log_in(self.shell)

    def test_a_crash_dump_is_an_interrupt_in_the_guest(self):
        self.driver.trigger_crash_dump(self.server)
        self.shell.sendall(b'grep NMI: /proc/interrupts\n')
        self.wait_for(lambda: re.search(r'NMI: +1 ', self.console(self.server)), 'the interrupt')

    def test_the_agent_is_told_of_copies_and_passwords(self):
        self.shell.sendall(AGENT)
        self.wait_for(lambda: self.document(self.server).find("devices/channel/target[@state='connected']") is not None,
                      'that the agent listens')
        self.wait_for(self.password_is_set, 'an answer')
        self.wait_for(lambda: re.search('guest-set-user-password.*"username": *"root"', self.told()), 'the password')
        self.snapshot(self.server)
        self.wait_for(lambda: 'guest-fsfreeze-thaw' in self.told(), 'the thaw')
        self.assertLess(self.told().index('guest-fsfreeze-freeze'), self.told().index('guest-fsfreeze-thaw'))

    def password_is_set(self):
        """An emulated guest on a busy machine may take longer to answer than libvirt waits."""
        try:
            self.driver.set_admin_password(self.server, 'let me in')
        except errors.AgentSilent:
            return False
        return True

    def told(self):
        return '\n'.join(re.findall(r'^TOLD .*', self.console(self.server), re.MULTILINE))
