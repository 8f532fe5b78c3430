# SPDX-License-Identifier: Apache-2.0
"""What guests wrote to their consoles."""


def output(driver, context, instance, tail_length=None):
    """The last `tail_length` lines (None or -1: everything that is kept) as text.

    Bytes that are no UTF-8 are replaced; the guest may write anything.  Raises InstanceNotFound, ConsoleNotAvailable.
    """
    text = driver.get_console_output(context, instance)
    if isinstance(text, bytes):
        text = text.decode('utf-8', 'replace')
    if tail_length is None or int(tail_length) < 0:
        return text
    lines = text.splitlines()
    return '\n'.join(lines[len(lines) - int(tail_length):] if int(tail_length) else [])
