# SPDX-License-Identifier: Apache-2.0
"""What administrators may do with aggregates, and the rules of availability zones."""

import functools

from nova import exception, image, objects
from nova.compute import lookup
from nova.compute import rpcapi as compute_rpcapi
from nova.notifications import tell
from nova.scheduler import rpcapi as scheduler_rpcapi

ZONE = 'availability_zone'


class AggregateAPI:
    """Groups of hosts.  Every change is told to the schedulers."""

    @functools.cached_property
    def scheduler(self):
        return scheduler_rpcapi.SchedulerAPI()

    @functools.cached_property
    def compute(self):
        return compute_rpcapi.ComputeAPI()

    @functools.cached_property
    def image(self):
        return image.API()

    def get(self, context, aggregate_id):
        """Raises AggregateNotFound."""
        return objects.Aggregate.get_by_id(context, aggregate_id)

    def get_all(self, context):
        return objects.AggregateList.get_all(context)

    def create(self, context, name, zone=None):
        """Raises Conflict: the name is taken."""
        found = objects.Aggregate(context, name=name, metadata={ZONE: zone} if zone else {})
        with tell.aggregate(context, 'create', found):
            found.create()
        self._tell(context, found)
        return found

    def update(self, context, aggregate_id, values):
        """Change `name` and `availability_zone` (None: no zone).

        Raises Conflict when its hosts have servers, or would be in two zones.
        """
        found = self.get(context, aggregate_id)
        with tell.aggregate(context, 'update_prop', found, meta_data=values):
            if values.get('name'):
                found.name = values['name']
            metadata = {ZONE: values[ZONE]} if ZONE in values else {}
            self._check_metadata(context, found, metadata)
            found.save(metadata)
        self._tell(context, found)
        return found

    def update_metadata(self, context, aggregate_id, metadata):
        """Set keys; None takes one away.  Raises Conflict as `update`."""
        found = self.get(context, aggregate_id)
        with tell.aggregate(context, 'update_metadata', found, meta_data=metadata):
            self._check_metadata(context, found, metadata)
            found.save(metadata)
        self._tell(context, found)
        return found

    def _check_metadata(self, context, found, changes):
        if ZONE in changes and changes[ZONE] != found.availability_zone:
            self._check_zone(context, found, found.hosts, changes[ZONE])
            busy = next(iter(_with_servers(context, found.hosts)), None)
            if busy:
                raise exception.Conflict(f'availability_zone: host {busy} of aggregate {found.name} has servers, which '
                                         'would change their zone')

    def _check_zone(self, context, found, hosts, zone):
        if not zone:
            return
        for other in self.get_all(context):
            both = sorted(set(hosts) & set(other.hosts))
            if other.id != found.id and both and other.availability_zone not in (None, zone):
                raise exception.Conflict(f'Host {both[0]} is in the availability zone {other.availability_zone} '
                                         f'already, and cannot be in {zone} too')

    def delete(self, context, aggregate_id):
        """Raises InvalidInput for one that has hosts."""
        found = self.get(context, aggregate_id)
        if found.hosts:
            raise exception.InvalidInput(reason=f'aggregate {found.name} has hosts; remove them first')
        with tell.aggregate(context, 'delete', found):
            found.destroy()
        self.scheduler.delete_aggregate(context, found)

    def add_host(self, context, aggregate_id, host):
        """Raises ComputeHostNotFound, Conflict: it is there already, or in another zone, or its servers would move."""
        found = self.get(context, aggregate_id)
        _require_host(context, host)
        if host in found.hosts:
            raise exception.Conflict(f'Host {host} is in aggregate {found.name} already')
        zone = found.availability_zone
        self._check_zone(context, found, [host], zone)
        if zone and objects.AggregateList.get_all(context).zones_by_host().get(host) != zone and \
                _with_servers(context, [host]):
            raise exception.Conflict(f'Host {host} has servers, which would change their availability zone to {zone}')
        with tell.aggregate(context, 'add_host', found, host_name=host):
            found.add_host(host)
        self._tell(context, found)
        return found

    def remove_host(self, context, aggregate_id, host):
        """Raises ComputeHostNotFound for one that is not in it; Conflict when its servers would change their zone."""
        found = self.get(context, aggregate_id)
        if found.availability_zone and host in found.hosts and _with_servers(context, [host]) and \
                not self._is_elsewhere(context, found, host):
            raise exception.Conflict(f'Host {host} has servers, which would leave the availability zone '
                                     f'{found.availability_zone}')
        with tell.aggregate(context, 'remove_host', found, host_name=host):
            found.delete_host(host)
        self._tell(context, found)
        return found

    def cache_images(self, context, aggregate_id, image_ids):
        """Ask every host of an aggregate to fetch images.  Raises AggregateNotFound, ImageNotFound."""
        found = self.get(context, aggregate_id)
        for image_id in image_ids:
            self.image.get(context, image_id)
        with tell.aggregate(context, 'cache_images', found):
            hosts = ((in_cell, host) for in_cell, hosts in lookup.by_cell(context, found.hosts) for host in hosts)
            for index, (in_cell, host) in enumerate(hosts, 1):
                self.compute.cache_images(in_cell, host, image_ids)
                tell.event('aggregate.cache_images.progress', None, tell.about(
                    context, found, host=host, images_cached=image_ids, images_failed=[], index=index,
                    total=len(found.hosts)))

    def _is_elsewhere(self, context, found, host):
        return any(other.id != found.id and host in other.hosts and
                   other.availability_zone == found.availability_zone for other in self.get_all(context))

    def _tell(self, context, found):
        self.scheduler.update_aggregates(context, [found])


def _require_host(context, host):
    try:
        lookup.service(context, host)
    except exception.ServiceNotFound as exc:
        raise exception.ComputeHostNotFound(host=host) from exc


def _with_servers(context, hosts):
    """Those of the hosts that have servers; one query in each cell that has some of the hosts."""
    return [busy for in_cell, found in lookup.by_cell(context, hosts)
            for busy in objects.InstanceList.hosts_with_servers(in_cell, found)]
