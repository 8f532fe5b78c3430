# SPDX-License-Identifier: Apache-2.0
"""Starting, stopping, pausing and the like."""

from nova.compute.verbs.base import Verbs, in_cell


class PowerVerbs(Verbs):

    @in_cell
    def start(self, context, instance):
        self._order(context, instance, 'start', 'start_instance')

    @in_cell
    def stop(self, context, instance, clean_shutdown=True):
        self._order(context, instance, 'stop', 'stop_instance', {'clean_shutdown': clean_shutdown})

    @in_cell
    def reboot(self, context, instance, reboot_type):
        """:param reboot_type: 'SOFT' or 'HARD'."""
        self._order(context, instance, 'reboot' if reboot_type == 'SOFT' else 'reboot_hard', 'reboot_instance',
                    {'reboot_type': reboot_type})

    @in_cell
    def pause(self, context, instance):
        self._order(context, instance, 'pause', 'pause_instance')

    @in_cell
    def unpause(self, context, instance):
        self._order(context, instance, 'unpause', 'unpause_instance')

    @in_cell
    def suspend(self, context, instance):
        self._order(context, instance, 'suspend', 'suspend_instance')

    @in_cell
    def resume(self, context, instance):
        self._order(context, instance, 'resume', 'resume_instance')

    @in_cell
    def trigger_crash_dump(self, context, instance):
        self._order(context, instance, 'trigger_crash_dump', 'trigger_crash_dump')
