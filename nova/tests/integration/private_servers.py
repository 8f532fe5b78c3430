# SPDX-License-Identifier: Apache-2.0
"""A broker and a database server of a test's own, which it may restart without disturbing others."""

import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import tempfile

import pymysql

from nova.tests import harness


class _Server:
    """A server process on a free port of 127.0.0.1, with files of its own; a context manager."""

    #: The user that it runs as.
    user = None

    def __enter__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix='nova-server-'))
        self.port = harness.free_port()
        try:
            shutil.chown(self.directory, self.user)
            self.set_up()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exc):
        if getattr(self, 'process', None) is not None:
            self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def set_up(self):
        """Make the files that the process needs before its first start."""

    def start(self):
        with (self.directory / 'out').open('ab') as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log, env={**os.environ, **self.environ},
                                            **self._identity(), start_new_session=True, cwd=self.directory)
        harness.wait_for(self.answers, f'{type(self).__name__} to start', timeout_s=60, every_s=0.1)

    environ = {}

    def _identity(self):
        account = pwd.getpwnam(self.user)
        return {'user': account.pw_uid, 'group': account.pw_gid, 'extra_groups': []}

    def answers(self):
        try:
            socket.create_connection(('127.0.0.1', self.port), 1).close()
        except OSError:
            return False
        return True

    def stop(self):
        self.process.terminate()
        self.process.wait(60)
        self.process = None

    def restart(self):
        self.stop()
        self.start()


class MariaDB(_Server):
    user = 'mysql'

    @property
    def url(self):
        """What SQLAlchemy connects to; the name of a database is to be appended, after a slash."""
        return f'mysql+pymysql://root@127.0.0.1:{self.port}'

    def set_up(self):
        subprocess.run(['mariadb-install-db', '--no-defaults', '--auth-root-authentication-method=normal',
                        f'--datadir={self.directory}/data', f'--user={self.user}', '--skip-test-db'],
                       check=True, capture_output=True)

    def command(self):
        return ['mariadbd', '--no-defaults', f'--datadir={self.directory}/data', f'--port={self.port}',
                f'--socket={self.directory}/socket', f'--pid-file={self.directory}/pid', '--bind-address=127.0.0.1',
                '--innodb-buffer-pool-size=64M']

    def answers(self):
        # It listens before it is ready, and does not hear SIGTERM then.
        try:
            pymysql.connect(host='127.0.0.1', port=self.port, user='root').close()
        except pymysql.Error:
            return False
        return True


class RabbitMQ(_Server):
    user = 'rabbitmq'

    @property
    def environ(self):
        """What tells the server, and the commands that manage it, which one is meant."""
        return {'RABBITMQ_NODENAME': f'nova-{self.port}@localhost', 'RABBITMQ_NODE_PORT': str(self.port),
                'RABBITMQ_NODE_IP_ADDRESS': '127.0.0.1', 'RABBITMQ_DIST_PORT': str(self._peer_port),
                'RABBITMQ_MNESIA_BASE': f'{self.directory}/mnesia', 'RABBITMQ_LOG_BASE': f'{self.directory}/log',
                'RABBITMQ_ENABLED_PLUGINS_FILE': f'{self.directory}/plugins', 'RABBITMQ_CONFIG_FILE': '/nonexistent'}

    @property
    def url(self):
        """What oslo.messaging connects to; the name of a virtual host is to be appended, after a slash."""
        return f'rabbit://guest:guest@127.0.0.1:{self.port}'

    def set_up(self):
        self._peer_port = harness.free_port()
        (self.directory / 'plugins').write_text('[].\n')

    def command(self):
        return ['/usr/lib/rabbitmq/bin/rabbitmq-server']

    @property
    def _home(self):
        return pwd.getpwnam(self.user).pw_dir

    def start(self):
        # The cookie that lets the commands in is in the home of the server's user.
        self._saved, os.environ['HOME'] = os.environ.get('HOME', '/root'), self._home
        try:
            super().start()
        finally:
            os.environ['HOME'] = self._saved
