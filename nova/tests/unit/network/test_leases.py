# SPDX-License-Identifier: Apache-2.0
"""From nova-dhcpbridge to nova-network."""

import socket
import subprocess
import sys

import pytest

from nova.cmd import dhcpbridge
from nova.network import leases


@pytest.fixture
def reports(tmp_path):
    """A socket as nova-network has it; `next(reports)` is what came."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as taker:
        taker.bind(str(tmp_path / 'leases.sock'))
        taker.settimeout(5)
        yield iter(lambda: taker.recv(4096), None)


@pytest.mark.parametrize('datagram,report', [
    (b'add fa:16:3e:00:00:01 10.0.0.2 web', ('10.0.0.2', True)),
    (b'old fa:16:3e:00:00:01 10.0.0.2', ('10.0.0.2', True)),
    (b'del fa:16:3e:00:00:01 10.0.0.2', ('10.0.0.2', False)), (b'add 00:01 fd00::1', None), (b'tftp 1 2', None),
    (b'', None), (b'\xff\xfe', None)])
def test_a_report(datagram, report):
    assert leases.parse(datagram) == report


def test_the_command_reports_without_loading_anything_of_ours(reports, tmp_path):
    code = ('import sys\nfrom nova.cmd import dhcpbridge\ncode = dhcpbridge.main(sys.argv[1:])\n'
            'print(sorted(name for name in sys.modules if name.split(".")[0] in ("nova", "oslo_config", "eventlet")))\n'
            'sys.exit(code)')
    process = subprocess.run([sys.executable, '-c', code, 'add', 'fa:16:3e:00:00:01', '10.0.0.2'], text=True,
                             env={'NOVA_DHCP_SOCKET': str(tmp_path / 'leases.sock')}, capture_output=True, check=True)
    assert process.stdout == "['nova', 'nova.cmd', 'nova.cmd.dhcpbridge']\n"
    assert next(reports) == b'add fa:16:3e:00:00:01 10.0.0.2'


def test_reports_are_written_together_and_the_last_one_counts():
    found = []
    listener = leases.Listener('unused', found.append)
    for action, address in (('add', '10.0.0.2'), ('add', '10.0.0.3'), ('del', '10.0.0.2')):
        listener._take(f'{action} fa:16:3e:00:00:01 {address}'.encode())
    listener.flush()
    listener.flush()
    assert found == [{'10.0.0.2': False, '10.0.0.3': True}]


def test_what_could_not_be_written_is_written_later(tmp_path):
    tries = []

    def record(batch):
        tries.append(batch)
        if len(tries) == 1:
            raise RuntimeError('no conductor')
    listener = leases.Listener(str(tmp_path / 'x'), record)
    listener.note('10.0.0.2', True)
    listener.flush()
    listener.note('10.0.0.3', True)
    listener.flush()
    assert tries == [{'10.0.0.2': True}, {'10.0.0.2': True, '10.0.0.3': True}]


def test_the_command_fails_never(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv('NOVA_DHCP_SOCKET', str(tmp_path / 'leases.sock'))
    assert dhcpbridge.main(['add', 'fa:16:3e:00:00:01', '10.0.0.2']) == 0
    assert dhcpbridge.main(['arp-add', 'x']) == 0
    (tmp_path / 'nova-br100-1.leases').write_text('1 fa:16:3e:00:00:01 10.0.0.2 web *\n')
    assert dhcpbridge.main(['init']) == 0
    assert capsys.readouterr().out == '1 fa:16:3e:00:00:01 10.0.0.2 web *\n'
