# SPDX-License-Identifier: Apache-2.0
from nova.conf import CONF
from nova.scheduler import filters
from nova.scheduler.diagnosis import Refusal
from nova.scheduler.filters import utils


class AggregateImagePropertiesIsolation(filters.HostFilter):
    """Where the host's aggregates and the image speak of the same property, they agree.

    An image that does not have the property passes.  An aggregate may list several values with commas.  The option
    aggregate_image_properties_isolation_namespace restricts which keys of an aggregate are properties of images.
    """

    run_filter_once_per_request = True
    RUN_ON_REBUILD = True

    def applies(self, request):
        return bool(request.image_properties)

    def refuse(self, host, request):
        options = CONF.filter_scheduler
        prefix = options.aggregate_image_properties_isolation_namespace
        if prefix:
            prefix += options.aggregate_image_properties_isolation_separator
        for name, values in utils.aggregate_metadata_get_by_host(host).items():
            if prefix and not name.startswith(prefix):
                continue
            has = request.image_properties.get(name)
            if has is not None and str(has) not in values:
                return Refusal('image', word=f'for images whose {name} is {" or ".join(sorted(values))}')
        return None
