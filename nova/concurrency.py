# SPDX-License-Identifier: Apache-2.0
"""Green threads, and the only module that names the library behind them.

Daemons call `monkey_patch()` before anything else is imported; from then on blocking calls of the standard library
yield.  Importing this module patches nothing, so the same code also runs in plain threads (under uWSGI, in
`nova-manage`), where `native` and the primitives fall back to what threads have.

What is C code and blocks (libvirt, big file copies, image conversion in process) goes through `native`.
"""

import collections
import contextlib
import functools
import logging
import os
import queue
import signal
import socket
import sys
import threading
import warnings
import weakref

# The library's own resolver needs dnspython (memory, start-up time) and ignores nsswitch; the libc one is used in
# the pool of native threads instead.  Read once, when the library is imported.
os.environ.setdefault('EVENTLET_NO_GREENDNS', 'yes')

# The library announces its retirement at import, and oslo repeats it at every use.  The design fixes it as the model of
# this service's daemons (docs: architecture), so the lines would tell an operator nothing that they can act upon.
for _words in (r'\s*Eventlet is deprecated', r'.*[Ee]ventlet usages are deprecated', r'.*the eventlet executor is now',
               r'.*eventletutils module is deprecated', r'Using fork\(\) is a bad idea'):
    warnings.filterwarnings('ignore', message=_words)

# The library looks for pyOpenSSL, which brings 12 MiB of cryptography into each process, for sockets nobody here makes.
_pretend_absent = 'OpenSSL' not in sys.modules
if _pretend_absent:
    sys.modules['OpenSSL'] = None

import eventlet  # noqa: E402  (the environment and the filters above must come first)
import eventlet.event  # noqa: E402
import eventlet.patcher  # noqa: E402
import eventlet.queue  # noqa: E402
import eventlet.semaphore  # noqa: E402
import eventlet.tpool  # noqa: E402

if _pretend_absent:
    del sys.modules['OpenSSL']

LOG = logging.getLogger(__name__)

#: Name of the executor that RPC servers of a patched process use.
RPC_EXECUTOR = 'eventlet'

#: Raised into a green thread that is killed.  Not an `Exception`: only `finally` and `with` see it.
Killed = eventlet.greenlet.GreenletExit

Empty = queue.Empty


def monkey_patch():
    """Make the standard library's blocking calls yield.  To be called first in a daemon; again does nothing."""
    if is_patched():
        return
    # psycopg2 waits in C, so it needs a callback that yields; it is a large import that only some processes make, so
    # the callback is set when they do.
    eventlet.monkey_patch(psycopg=False)
    import wrapt  # only patched processes need it
    wrapt.register_post_import_hook(_make_psycopg2_green, 'psycopg2')
    _init_service_backend()


def _make_psycopg2_green(_module):
    from eventlet.support import psycopg2_patcher  # imports psycopg2, which this hook waits for
    psycopg2_patcher.make_psycopg_green()


def _init_service_backend():
    """Choose oslo.service's model, which must agree with ours and cannot be changed later."""
    from oslo_service import backend  # must be imported after patching
    backend.init_backend(backend.BackendType.EVENTLET)


def forked():
    """To be called in the child of a fork that nobody else told the library of: it must not wait on what the parent
    waits on."""
    if is_patched():
        eventlet.hubs.use_hub()


def is_patched():
    """Whether this process runs on green threads."""
    return eventlet.patcher.is_monkey_patched('socket')


def _current_context():
    # Imported late: it makes a store per thread at import, which must be one per green thread where these are in use.
    from oslo_context import context
    return context.get_current()


# Running things ------------------------------------------------------------------------------------------------------

class _Outcome:
    """How a task ended.  Logs an exception that nobody ever asked for, when the last holder lets go."""

    __slots__ = ('error', 'name', 'seen')

    def __init__(self, name):
        self.name, self.error, self.seen = name, None, False

    def __del__(self):
        if self.error is not None and not self.seen:
            LOG.error('Task %s failed and nobody waited for it', self.name, exc_info=self.error)


def _run(outcome, context, fn, args, kwargs):
    if context is not None:
        context.update_store()
    try:
        return fn(*args, **kwargs)
    except Killed:
        return None
    except Exception as error:  # noqa: BLE001  (it is the waiter's)
        # Without this frame, which holds the outcome: else the two would keep each other alive until the next gc.
        outcome.error = error.with_traceback(error.__traceback__.tb_next)
        return None


class Task:
    """A running function.  It inherits the request context of whoever started it, for the logs."""

    def __init__(self, spawn, fn, args, kwargs):
        self._outcome = _Outcome(getattr(fn, '__qualname__', repr(fn)))
        self._thread = spawn(_run, self._outcome, _current_context(), fn, args, kwargs)

    def wait(self):
        """The function's result, or its exception raised here.  None when it was killed."""
        try:
            result = self._thread.wait()
        except Killed:
            return None
        self._outcome.seen = True
        if self._outcome.error is not None:
            raise self._outcome.error
        return result

    def kill(self):
        """Stop it where it waits.  Its `finally` blocks may go on after this returned; `wait()` waits for them."""
        self._thread.kill()

    def cancel(self):
        """Stop it if it has not begun."""
        self._thread.cancel()

    def is_done(self):
        return self._thread.dead


def spawn(fn, *args, **kwargs):
    """Run `fn` in a green thread.  Returns a `Task`."""
    return Task(eventlet.spawn, fn, args, kwargs)


def spawn_after(seconds, fn, *args, **kwargs):
    """Run `fn` in a green thread after so many seconds.  Returns a `Task`."""
    return Task(functools.partial(eventlet.spawn_after, seconds), fn, args, kwargs)


def sleep(seconds=0):
    """Let others run for so many seconds."""
    eventlet.sleep(seconds)


class GreenPool:
    """At most `size` functions at a time; starting one more waits for a free place."""

    def __init__(self, size=1000):
        self._pool = eventlet.GreenPool(size)

    def spawn(self, fn, *args, **kwargs):
        return Task(self._pool.spawn, fn, args, kwargs)

    def spawn_n(self, fn, *args, **kwargs):
        """As `spawn`, for when nobody will wait; a failure is logged."""
        Task(self._pool.spawn, fn, args, kwargs)

    def map(self, fn, items):
        """[fn(item), ...] in order, computed side by side.  Raises the first failure when all have ended."""
        results, failure = [], None
        for task in [self.spawn(fn, item) for item in items]:
            try:
                results.append(task.wait())
            except Exception as error:  # noqa: BLE001  (raised below, when all have ended)
                failure = failure or error
        if failure is not None:
            raise failure
        return results

    def waitall(self):
        self._pool.waitall()

    def free(self):
        return self._pool.free()

    def running(self):
        return self._pool.running()


def native(fn, *args, **kwargs):
    """Run blocking code in a native thread and wait for its result, while other green threads go on.

    The code must not touch green things (locks, queues, sockets of this process).  Without green threads it simply
    runs here.
    """
    if not is_patched():
        return fn(*args, **kwargs)
    return eventlet.tpool.execute(fn, *args, **kwargs)


def native_proxy(thing, autowrap=()):
    """A stand-in whose methods run in native threads.  Results of the classes in `autowrap` are wrapped as well."""
    if not is_patched():
        return thing
    return eventlet.tpool.Proxy(thing, autowrap=autowrap)


def native_module(name):
    """The unpatched module of this name, for code that runs in a native thread of its own."""
    return eventlet.patcher.original(name)


class NativeQueue:
    """From native threads to green ones: `put` may be called from any thread, `get` waits green.

    A pipe wakes the reader, since a native thread must not touch the green scheduler.
    """

    def __init__(self):
        self._items = collections.deque()
        self._reader, self._writer = (os.pipe() if is_patched() else (None, None))
        self._fallback = None if is_patched() else queue.Queue()
        if self._writer is not None:
            os.set_blocking(self._reader, False)
            os.set_blocking(self._writer, False)

    def put(self, item):
        if self._fallback is not None:
            self._fallback.put(item)
            return
        self._items.append(item)
        # A full pipe has woken the reader already.
        with contextlib.suppress(BlockingIOError):
            native_module('os').write(self._writer, b'.')

    def get(self):
        if self._fallback is not None:
            return self._fallback.get()
        while not self._items:
            eventlet.hubs.trampoline(self._reader, read=True)
            with contextlib.suppress(BlockingIOError):
                native_module('os').read(self._reader, 4096)
        return self._items.popleft()


def wake_on_signals():
    """Let every signal wake the scheduler, so that its handler's work begins now and not when the next timer is due.

    For the main thread of a daemon; once in each process, since a fork must not share it.
    """
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)

    def drain():
        while True:
            eventlet.hubs.trampoline(reader, read=True)
            with contextlib.suppress(BlockingIOError):
                native_module('os').read(reader, 4096)

    spawn(drain)


# Waiting for each other ----------------------------------------------------------------------------------------------

class Event:
    """Something that happens once, and may carry a value or an exception to all who wait for it.

    `set()` is `send(True)`; `clear()` makes it ready to happen again.
    """

    def __init__(self):
        self._condition = threading.Condition(threading.Lock())
        self._is_set, self._value, self._error = False, None, None

    def send(self, value=None):
        self._happen(value, None)

    def send_exception(self, error):
        self._happen(None, error)

    def set(self):
        self._happen(True, None)

    def _happen(self, value, error):
        with self._condition:
            self._is_set, self._value, self._error = True, value, error
            self._condition.notify_all()

    def clear(self):
        with self._condition:
            self._is_set, self._value, self._error = False, None, None

    def is_set(self):
        return self._is_set

    ready = is_set

    def wait(self, timeout=None):
        """The value that was sent, or its exception raised.  None when `timeout` seconds passed first.

        Where None may be sent, ask `is_set()` which of the two it was.
        """
        with self._condition:
            self._condition.wait_for(self.is_set, timeout)
            if self._error is not None:
                raise self._error
            return self._value


def Queue(maxsize=0):  # noqa: N802  (stands for a class, and is one of two)
    """A queue: `put`, `get(timeout=...)` which raises `Empty`.  `maxsize` 0 is without limit."""
    return queue.Queue(maxsize)


def Semaphore(value=1):  # noqa: N802
    """At most `value` holders at a time, as a context manager."""
    return eventlet.semaphore.Semaphore(value) if is_patched() else threading.Semaphore(value)


_locks = weakref.WeakValueDictionary()


class _NamedLock:
    __slots__ = ('__weakref__', 'semaphore')

    def __init__(self):
        self.semaphore = Semaphore(1)


@contextlib.contextmanager
def lock(name):
    """Hold the lock of this name within this process.  Not re-entrant; it vanishes with its last holder."""
    # `setdefault` on a weak dictionary returns a strong reference, which this frame keeps until it leaves.
    held = _locks.get(name) or _locks.setdefault(name, _NamedLock())
    with held.semaphore:
        yield


@contextlib.contextmanager
def timeout(seconds, exc=None):
    """Let the body run for so many seconds at most (None: for ever).

    Raises `exc` (class or instance), or `TimeoutError` when none is given.  Works where the body waits green; code in a
    native thread is left behind and goes on.
    """
    if seconds is None:
        yield
        return
    timer = eventlet.Timeout(seconds)
    try:
        yield
    except eventlet.Timeout as expired:
        if expired is not timer:
            raise
        raise exc or TimeoutError(f'not finished after {seconds} s') from None
    finally:
        timer.cancel()


# Serving HTTP --------------------------------------------------------------------------------------------------------

def ListenSocket(host, port, backlog=1024, keepidle=600):  # noqa: N802  (stands for a class)
    """A listening TCP socket whose connections send at once (TCP_NODELAY) and notice dead peers.

    :param keepidle: seconds of silence after which a peer is probed.
    Raises OSError when the address is taken or is not ours.
    """
    family, kind, proto, _name, address = socket.getaddrinfo(
        host, port, socket.AF_UNSPEC, socket.SOCK_STREAM, 0, socket.AI_PASSIVE)[0]
    sock = socket.socket(family, kind, proto)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Accepted sockets inherit these on Linux.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, keepidle)
        sock.bind(address)
        sock.listen(backlog)
    except BaseException:
        sock.close()
        raise
    return sock


class _OneWrite:
    """Collects a response and hands it to the kernel in one call.

    The library's own buffer is 16 KiB, and a body larger than that left in a write of its own, after the headers'.
    """

    def __init__(self, sock):
        self._sock, self._parts, self.closed = sock, [], False

    def write(self, data):
        self._parts.append(bytes(data))
        return len(data)

    def writelines(self, lines):
        self._parts.extend(lines)

    def flush(self):
        if self._parts:
            data = b''.join(self._parts)
            self._parts.clear()
            self._sock.sendall(data)

    def close(self):
        if not self.closed:
            self.closed = True
            self.flush()


@functools.cache
def _http_protocol(tls):
    class Protocol(wsgi_module().HttpProtocol):
        def __init__(self, connection, server):
            if tls is not None:
                # Here, in the connection's own thread: a client that dallies with its handshake holds up nobody.
                try:
                    connection[1] = tls.wrap_socket(connection[1], server_side=True)
                except OSError as error:
                    LOG.debug('TLS handshake with %s failed: %s', connection[0], error)
                    connection[1].close()
                    return
            super().__init__(connection, server)

        def get_environ(self):
            environ = super().get_environ()
            environ['SERVER_PROTOCOL'] = self.request_version   # the library always says 1.0
            return environ

        def setup(self):
            super().setup()
            self.wfile.close()
            self.wfile = _OneWrite(self.connection)

        def finish(self):
            # The peer may be gone while its error answer is still in the buffer.
            with contextlib.suppress(OSError):
                super().finish()

    return Protocol


def wsgi_module():
    """What serves HTTP.  Only who does loads it (20 ms), and before forking, so that workers share it."""
    from eventlet import wsgi
    return wsgi


def wsgi_serve(sock, app, *, max_connections=1000, keepalive=True, idle_timeout_s=900, max_request_line=8192,
               max_header_line=16384, tls=None):
    """Serve `app` on a listening socket until killed; then answer what is being worked on, close idle connections
    and the socket, and return.

    :param idle_timeout_s: seconds without a byte after which a connection is closed; 0 means never.
    :param max_request_line: bytes; a longer one is answered with 414.
    :param max_header_line: bytes; a longer one is answered with 400.
    :param tls: what `tls_context` returned, to speak HTTPS.
    """
    wsgi = wsgi_module()
    wsgi.MAX_HEADER_LINE = max_header_line
    wsgi.MAX_TOTAL_HEADER_SIZE = max(wsgi.MAX_TOTAL_HEADER_SIZE, 4 * max_header_line)
    scheme = {'wsgi.url_scheme': 'https', 'HTTPS': 'on'} if tls else {}
    with contextlib.suppress(Killed):
        wsgi.server(sock, app, protocol=_http_protocol(tls), max_size=max_connections, keepalive=keepalive,
                    socket_timeout=idle_timeout_s or None, url_length_limit=max_request_line, log_output=False,
                    debug=False, environ=scheme)


def tls_context(cert_file, key_file, ca_file=None):
    """Settings for a server that speaks TLS.  `ca_file`: only clients with a certificate of this authority come in.

    Raises OSError or ssl.SSLError when a file cannot be read or is not what it should be.
    """
    import ssl  # only TLS servers
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert_file, key_file)
    if ca_file:
        context.load_verify_locations(ca_file)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
