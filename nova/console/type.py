# SPDX-License-Identifier: Apache-2.0
"""Where the console of a guest is: what drivers answer, and what the proxies connect to."""


class Console:
    """Host and TCP port of a console; `internal_access_path` is what the server there wants to hear first, or None."""

    def __init__(self, host, port, internal_access_path=None):
        self.host = host
        self.port = port
        self.internal_access_path = internal_access_path

    def get_connection_info(self, token, access_url):
        """A dict of its own with all about the connection, and the user's token and URL for it."""
        return {**vars(self), 'token': token, 'access_url': access_url}


class ConsoleVNC(Console):
    pass


class ConsoleRDP(Console):
    pass


class ConsoleSerial(Console):
    pass


class ConsoleMKS(Console):
    pass


class ConsoleSpice(Console):
    def __init__(self, host, port, tlsPort, internal_access_path=None):  # noqa: N803  (documented name)
        super().__init__(host, port, internal_access_path)
        self.tlsPort = tlsPort
