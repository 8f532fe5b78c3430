# SPDX-License-Identifier: Apache-2.0
"""The screen of a real guest, as a user sees it: noVNC's page of Debian's package, in a headless Chromium.

The picture is kept as .cache/screenshots/novnc.png.
"""

import base64
import contextlib
import itertools
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time
import zlib

import pytest
import requests
import websocket

from nova.tests import harness
from nova.tests.integration import libvirt_host

GUEST_DIR = harness.ROOT / '.cache' / 'guest'
PICTURE = harness.ROOT / '.cache' / 'screenshots' / 'novnc.png'
OUTSIDE, INSIDE = '10.77.61.1', '10.77.61.2'
SOON_S = 60
#: Where the guest's screen is on the page, once there is one.
_SCREEN = '''(() => {
    const canvas = document.querySelector('canvas');
    if (!canvas || canvas.width < 600) { return null; }
    const box = canvas.getBoundingClientRect();
    return {x: box.x, y: box.y, width: box.width, height: box.height, scale: 1};
})()'''


def missing():
    found = [name for name in ('chromium',) if shutil.which(name) is None]
    found += [path for path in ('/usr/share/novnc/vnc_lite.html',) if not os.path.exists(path)]
    return libvirt_host.missing() or (f'{" and ".join(found)} missing' if found else None)


class Browser:
    """A headless Chromium, told what to do by its debugging protocol."""

    def __init__(self, directory):
        self.directory, self.port = pathlib.Path(directory), harness.free_port()
        self.log = (self.directory / 'chromium.log').open('ab')
        self.process = subprocess.Popen(
            ['chromium', '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run',
             '--disable-background-networking', '--remote-allow-origins=*', '--window-size=1024,800',
             f'--user-data-dir={self.directory}/profile', f'--remote-debugging-port={self.port}', 'about:blank'],
            stdout=self.log, stderr=self.log, start_new_session=True,
            env={**os.environ, 'no_proxy': '*', 'TMPDIR': str(self.directory)})
        self._numbers = itertools.count(1)
        self.socket = None

    def __enter__(self):
        try:
            page = harness.wait_for(self._page, 'a browser', SOON_S)
            self.socket = websocket.create_connection(page['webSocketDebuggerUrl'], timeout=SOON_S)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exc):
        if self.socket is not None:
            self.socket.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.log.close()

    def _page(self):
        with contextlib.suppress(requests.ConnectionError):
            pages = requests.get(f'http://127.0.0.1:{self.port}/json', timeout=SOON_S).json()
            return next((page for page in pages if page['type'] == 'page'), None)

    def call(self, method, **params):
        number = next(self._numbers)
        self.socket.send(json.dumps({'id': number, 'method': method, 'params': params}))
        while True:
            answer = json.loads(self.socket.recv())
            if answer.get('id') == number:
                assert 'error' not in answer, answer
                return answer['result']

    def evaluate(self, expression):
        return self.call('Runtime.evaluate', expression=expression, returnByValue=True)['result'].get('value')

    def picture(self, box):
        return base64.b64decode(self.call('Page.captureScreenshot', format='png', clip=box)['data'])


def colours(png):
    """How many pixels there are of each colour, in a picture of 8 bits a channel as browsers make it."""
    assert png[:8] == b'\x89PNG\r\n\x1a\n'
    at, chunks = 8, {}
    while at < len(png):
        length, kind = int.from_bytes(png[at:at + 4]), png[at + 4:at + 8]
        chunks[kind] = chunks.get(kind, b'') + png[at + 8:at + 8 + length]
        at += 12 + length
    width, height = int.from_bytes(chunks[b'IHDR'][:4]), int.from_bytes(chunks[b'IHDR'][4:8])
    step = {2: 3, 6: 4}[chunks[b'IHDR'][9]]
    data, stride = zlib.decompress(chunks[b'IDAT']), width * step
    above, found = bytes(stride), {}
    for row in range(height):
        start = row * (stride + 1)
        above = _unfilter(data[start], bytearray(data[start + 1:start + 1 + stride]), above, step)
        for at in range(0, stride, step):
            colour = bytes(above[at:at + 3])
            found[colour] = found.get(colour, 0) + 1
    return found


def _unfilter(kind, line, above, step):
    for at, value in enumerate(line):
        left, up = (line[at - step] if at >= step else 0), above[at]
        corner = above[at - step] if at >= step else 0
        guess = left + up - corner
        nearest = min((left, up, corner), key=lambda one: abs(guess - one))
        line[at] = (value + (0, left, up, (left + up) // 2, nearest)[kind]) & 255
    return line


@pytest.fixture(scope='module')
def site():
    """nova-all in a host of its own, and the proxy outside of it; they share the database's file."""
    reason = missing()
    assert reason is None, reason
    subprocess.run([harness.ROOT / 'tools' / 'guest-image', '--output', GUEST_DIR], check=True, capture_output=True)
    port = harness.free_port()
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(libvirt_host.LibvirtHost('screens'))
        libvirt_host.cable((host, 'mgmt0', f'{INSIDE}/24'), (None, 'nova-screens', f'{OUTSIDE}/24'))
        cloud = harness.Cloud.all_in_one({
            'DEFAULT': {'compute_driver': 'libvirt.LibvirtDriver', 'osapi_compute_listen': INSIDE},
            'libvirt': {'virt_type': 'qemu'},
            'vnc': {'server_listen': INSIDE, 'server_proxyclient_address': INSIDE, 'novncproxy_host': '127.0.0.1',
                    'novncproxy_port': port, 'novncproxy_base_url': f'http://127.0.0.1:{port}/vnc_lite.html'}})
        stack.callback(cloud.__exit__, None, None, None)
        cloud.endpoint = f'http://{INSIDE}:{cloud.port}/v2.1'
        os.chmod(cloud.directory, 0o755)   # noqa: S103  guests run as an ordinary user
        cloud.set_up()
        cloud.start('nova-all', prefix=host.argv([]))
        cloud.start('nova-novncproxy')
        cloud.manage('image', 'register', str(GUEST_DIR / 'guest.qcow2'), '--name', 'linux', '--disk-format', 'qcow2',
                     '--public')
        cloud.wait_ready(timeout_s=90)
        yield cloud


def test_a_user_sees_the_screen_of_a_guest(site):
    client = site.client()
    image = next(one['id'] for one in client.get('/images?name=linux', version='2.35')['images'])
    server = client.boot('seen', imageRef=image)
    url = client.post(f'/servers/{server["id"]}/remote-consoles',
                      {'remote_console': {'protocol': 'vnc', 'type': 'novnc'}})['remote_console']['url']
    with Browser(site.directory) as browser:
        browser.call('Page.navigate', url=url)
        box = harness.wait_for(lambda: browser.evaluate(_SCREEN), 'a screen on the page', SOON_S, every_s=0.2)
        until = time.monotonic() + SOON_S
        while True:
            picture = browser.picture(box)
            found = colours(picture)
            # Words on a screen: one colour for most, another for some hundreds of pixels.
            if len(found) > 1 and sorted(found.values())[-2] > 300:
                break
            assert time.monotonic() < until, f'nothing to be seen: {found}, {site.output("nova-novncproxy")[-3000:]}'
            time.sleep(1)
        PICTURE.parent.mkdir(parents=True, exist_ok=True)
        PICTURE.write_bytes(picture)
    harness.wait_for(lambda: 'closed the novnc console' in site.output('nova-novncproxy'), 'the end of the session')
    client.call('DELETE', f'/servers/{server["id"]}')
    client.gone(server['id'])
    with Browser(site.directory) as browser:
        browser.call('Page.navigate', url=url)
        harness.wait_for(lambda: 'Refused a console' in site.output('nova-novncproxy'), 'a refusal', SOON_S)
    assert not site.tracebacks()
