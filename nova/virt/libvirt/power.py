# SPDX-License-Identifier: Apache-2.0
"""Turning guests off, and on again by themselves."""

import time

from oslo_log import log as logging

from nova import concurrency, conf
from nova.virt import power_state
from nova.virt.libvirt import errors

CONF = conf.CONF
LOG = logging.getLogger(__name__)

_LOOK_S = 0.5


def power_off(guest, timeout=0, retry_interval=0):
    """Stop a guest; give it `timeout` seconds to do so itself, and press the button again each `retry_interval`
    seconds.

    Nothing happens when it is off.  Raises InstanceNotFound, InstancePowerOffFailure.
    """
    if timeout and shut_down(guest, timeout, retry_interval):
        return
    guest.kill()


def shut_down(guest, timeout, retry_interval=0):
    """Ask a guest to shut down.  Whether it did, within `timeout` seconds."""
    if not guest.is_active():
        return True
    end = time.monotonic() + timeout
    next_signal = 0
    while time.monotonic() < end:
        if time.monotonic() >= next_signal:
            # Some guests miss the button while they boot.
            next_signal = time.monotonic() + (retry_interval or timeout)
            try:
                guest.shut_down()
            except errors.WrongGuestState:
                # Paused, for example: it cannot hear us.
                return False
        if not guest.is_active():
            return True
        concurrency.sleep(_LOOK_S)
    LOG.info('Guest %s did not shut down in %s s', guest.uuid, timeout)
    return not guest.is_active()


def reboot_softly(guest):
    """Ask a running guest to shut down, and start it again.  Whether that worked."""
    if guest.power_state() != power_state.RUNNING:
        return False
    if not shut_down(guest, CONF.libvirt.wait_soft_reboot_seconds):
        return False
    try:
        guest.start()
    except errors.LibvirtError as exc:
        LOG.warning('Guest %s shut down, and does not start: %s', guest.uuid, exc)
        return False
    return True


def resume(guest):
    """Go on where it was, from its saved memory, from sleep or from a pause."""
    guest.unpause()
    guest.start()


def is_as_it_was(guest):
    """Whether a guest needs nothing after its host booted: it runs, or is as its user left it (paused, suspended).

    Raises InstanceNotFound.
    """
    return guest.power_state() in (power_state.RUNNING, power_state.PAUSED, power_state.SUSPENDED)
