# SPDX-License-Identifier: Apache-2.0
"""What a VPN server is given, and how one is asked whether it is there."""

import base64
import io
import socket
import threading
import zipfile

import pytest
from cryptography import x509

from nova.compute import certificates, cloudpipe
from nova.conf import CONF


def answers(reply):
    """A UDP port at which `reply(request)` is sent back."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(('127.0.0.1', 0))

    def serve():
        data, sender = server.recvfrom(1024)
        server.sendto(reply(data), sender)
        server.close()
    threading.Thread(target=serve, daemon=True).start()
    return server.getsockname()[1]


@pytest.mark.parametrize('reply, there', [
    (lambda data: b'\x40' + b'12345678' + b'\x01' + b'\0' * 4 + data[1:9], True), (lambda data: b'something', False)])
def test_an_openvpn_server_repeats_the_session(reply, there):
    assert cloudpipe.ping('127.0.0.1', answers(reply), timeout_s=5) is there


def test_nobody_is_there():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unused:
        unused.bind(('127.0.0.1', 0))
        port = unused.getsockname()[1]
    assert not cloudpipe.ping('127.0.0.1', port)


def test_the_script_has_a_certificate_of_the_authority(tmp_path):
    CONF.set_override('ca_path', str(tmp_path / 'CA'))
    try:
        with zipfile.ZipFile(io.BytesIO(base64.b64decode(cloudpipe.user_data('project-a')))) as archive:
            script = archive.read('autorun.sh').decode()
        root = x509.load_pem_x509_certificate(certificates.root().encode())
    finally:
        CONF.clear_override('ca_path')
    files = dict(part.split("<<'END'\n", 1) for part in (f'{name}{rest}' for name, rest in (
        chunk.split(' > ', 1)[1].split(' ', 1) for chunk in script.split('\nEND')[:4])))
    server = x509.load_pem_x509_certificate(files['server.crt'].encode())
    server.verify_directly_issued_by(root)
    assert x509.load_pem_x509_certificate(files['ca.crt'].encode()) == root
    assert 'PRIVATE KEY' in files['server.key']
    assert f'port {cloudpipe.PORT}' in files['server.conf']
    assert f'push "route {CONF.dmz_net} {CONF.dmz_mask}"' in files['server.conf']
