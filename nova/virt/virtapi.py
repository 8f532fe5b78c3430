# SPDX-License-Identifier: Apache-2.0
"""What a driver may ask of the compute manager that runs it."""

import contextlib


class VirtAPI:
    """The compute manager, as its driver sees it."""

    def provider_fw_rule_get_all(self, context):
        """Firewall rules for all servers of the site: [{'id', 'protocol', 'from_port', 'to_port', 'cidr'}]."""
        raise NotImplementedError()

    @contextlib.contextmanager
    def wait_for_instance_event(self, instance, event_names, deadline=300, error_callback=None):
        """Run the body, then wait until another service has reported all `event_names` of `instance`.

        :param event_names: [(name, tag), …], for example [('network-vif-plugged', port id)].
        :param deadline: seconds from the end of the body; then a timeout is raised.
        :param error_callback: called with (event name, instance) when an event reports a failure; what it returns
            says whether to go on waiting for the others.
        """
        raise NotImplementedError()
        yield
