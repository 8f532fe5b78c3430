# SPDX-License-Identifier: Apache-2.0
from nova.conf import CONF
from nova.scheduler import filters
from nova.scheduler.diagnosis import Refusal

FOR_OTHER_IMAGES = Refusal('image', word='kept for certain images')
NOT_ISOLATED = Refusal('image', word='not kept for this image')


class IsolatedHostsFilter(filters.HostFilter):
    """Isolated images run on isolated hosts only; other images run there only if the options allow it.

    [filter_scheduler]isolated_images, isolated_hosts, restrict_isolated_hosts_to_isolated_images.
    """

    run_filter_once_per_request = True

    def applies(self, request):
        return bool(CONF.filter_scheduler.isolated_images or CONF.filter_scheduler.isolated_hosts)

    def refuse(self, host, request):
        options = CONF.filter_scheduler
        image = request.spec.image.id if request.spec.image is not None else None
        if image is not None and image in options.isolated_images:
            return None if host.host in options.isolated_hosts else NOT_ISOLATED
        if options.restrict_isolated_hosts_to_isolated_images and host.host in options.isolated_hosts:
            return FOR_OTHER_IMAGES
        return None
