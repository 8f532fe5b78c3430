# SPDX-License-Identifier: Apache-2.0
"""Where libvirt's errors become ours."""

import contextlib

import libvirt

from nova import conf, exception

CONF = conf.CONF

#: The daemon is gone, or going; nothing is known of the guest.
DISCONNECTED = frozenset((
    libvirt.VIR_ERR_SYSTEM_ERROR,
    libvirt.VIR_ERR_INTERNAL_ERROR,
    libvirt.VIR_ERR_INVALID_CONN,
    libvirt.VIR_ERR_NO_CONNECT,
    libvirt.VIR_ERR_RPC,
))
# libvirt's layers that only speak of the connection.  Their system errors are lost connections; those of others are
# not.
_REMOTE = frozenset((libvirt.VIR_FROM_REMOTE, libvirt.VIR_FROM_RPC))


class LibvirtError(exception.NovaException):
    """What libvirt said, in its words; `code` is its number."""

    msg_fmt = 'libvirt: %(reason)s'

    @property
    def code(self):
        return self.kwargs.get('code')


class OperationTimedOut(LibvirtError):
    msg_fmt = 'libvirt did not finish in time, another operation may hold the guest: %(reason)s'


class UnsupportedByHypervisor(LibvirtError):
    msg_fmt = 'The hypervisor of this host cannot do this: %(reason)s'
    kind = exception.UNSUPPORTED


class WrongGuestState(LibvirtError):
    msg_fmt = 'The guest is not in a state for this: %(reason)s'
    kind = exception.CONFLICT


class AgentSilent(LibvirtError):
    msg_fmt = 'The agent in the guest does not answer: %(reason)s'
    kind = exception.CONFLICT


_ERRORS = {
    libvirt.VIR_ERR_AGENT_UNRESPONSIVE: AgentSilent,
    libvirt.VIR_ERR_AGENT_UNSYNCED: AgentSilent,
    libvirt.VIR_ERR_OPERATION_TIMEOUT: OperationTimedOut,
    libvirt.VIR_ERR_OPERATION_UNSUPPORTED: UnsupportedByHypervisor,
    libvirt.VIR_ERR_CONFIG_UNSUPPORTED: UnsupportedByHypervisor,
    libvirt.VIR_ERR_NO_SUPPORT: UnsupportedByHypervisor,
    libvirt.VIR_ERR_OPERATION_INVALID: WrongGuestState,
    libvirt.VIR_ERR_OPERATION_ABORTED: WrongGuestState,
}


def is_disconnect(exc):
    """Whether a `libvirtError` means that the daemon is gone, rather than that it refused."""
    return exc.get_error_code() in DISCONNECTED and (
        exc.get_error_domain() in _REMOTE or exc.get_error_code() in (libvirt.VIR_ERR_INVALID_CONN,
                                                                      libvirt.VIR_ERR_NO_CONNECT))


@contextlib.contextmanager
def translated(instance_id=None):
    """Turn libvirt's errors into ours.

    :param instance_id: the server the call is about.
    Raises HypervisorUnavailable for a connection that is lost, InstanceNotFound for a guest that is not there, else a
    `LibvirtError`.
    """
    try:
        yield
    except libvirt.libvirtError as exc:
        code = exc.get_error_code()
        if is_disconnect(exc):
            raise exception.HypervisorUnavailable(host=CONF.host) from exc
        if code == libvirt.VIR_ERR_NO_DOMAIN:
            raise exception.InstanceNotFound(instance_id=instance_id) from exc
        raise _ERRORS.get(code, LibvirtError)(reason=exc.get_error_message(), code=code) from exc
