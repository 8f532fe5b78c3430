# SPDX-License-Identifier: Apache-2.0
"""Building a server on this host (design section 5, 6)."""

import contextlib

from oslo_log import log
from oslo_utils import timeutils

from nova import concurrency, exception, objects
from nova.compute import block_devices, power_state, task_states, vm_states, volumes
from nova.compute.operations import carries_out
from nova.network import model as network_model
from nova.objects import network_request

LOG = log.getLogger(__name__)

#: Errors that would be the same on every host.
FINAL = (exception.BuildAbortException, exception.ImageNotFound, exception.ImageUnacceptable,
         exception.ImageNotAuthorized, exception.ImageNotActive, exception.InvalidDiskFormat,
         exception.FlavorDiskSmallerThanImage, exception.FlavorDiskSmallerThanMinDisk, exception.NoMoreFixedIps,
         exception.FixedIpAlreadyInUse, exception.NetworkNotFound, exception.InvalidBDM,
         exception.VolumeNotFound, exception.VolumeNotCreated, exception.InvalidVolume, exception.QuotaError,
         exception.SecurityGroupNotFound)


@carries_out('build_and_run_instance', 'compute__do_build_and_run_instance')
def build(op):
    """Make the server here; when this fails, nothing of it is left here.

    Where another host may do better, the order goes back to the conductor with the reason.
    """
    try:
        with op.host.build_slots:
            _build(op)
        op.host.tracker.build_succeeded()
    except (exception.UnexpectedDeletingTaskState, exception.InstanceNotFound, exception.OrderLost):
        raise
    except FINAL:
        op.abandon()
        _leave(op)
        raise
    except Exception as exc:
        if not (op.args.get('request_spec') or {}):
            raise
        LOG.exception('Server %s could not be built on %s; another host is looked for', op.instance.uuid, op.host.name)
        op.abandon()
        _reschedule(op, exc)
        op.told.error(exc)
        op.host.tracker.build_failed(op.context.elevated())


def _build(op):
    instance = op.instance
    if op.action.attempts > 1:
        # An earlier start of this service was cut off in the middle.
        _clear(op)
    requested = network_request.NetworkRequestList.of_order(op.context, op.args)
    before = [task_states.SCHEDULING, task_states.NETWORKING, task_states.BLOCK_DEVICE_MAPPING, task_states.SPAWNING]
    if requested is not None and requested.no_allocate:
        _fetch_image(op)
        network_info = network_model.NetworkInfo()
    else:
        before = _enter(op, before, task_states.NETWORKING)
        networks = concurrency.spawn(_allocate, op, requested)
        try:
            _fetch_image(op)
        finally:
            network_info = networks.wait()
    instance.trust('network_info', network_info)
    op.undo(op.host.firewall.remove, instance)
    with _meanwhile(op.host.firewall.apply, instance, network_info):
        if any(bdm.is_volume for bdm in op.bdms or ()):
            before = _enter(op, before, task_states.BLOCK_DEVICE_MAPPING)
            op.undo(volumes.leave_all, op)
            volumes.connect_all(op)
        _enter(op, before, task_states.SPAWNING)
    op.host.driver.spawn(op.context, instance, instance.image_meta,
                         block_devices.injected_files(op.args.get('injected_files')), op.args.get('admin_password'),
                         network_info=network_info, block_device_info=block_devices.info_of(instance, op.bdms))
    op.undo(op.host.driver.destroy, op.context, instance, network_info, block_devices.info_of(instance, op.bdms))
    op.ends(vm_state=vm_states.ACTIVE, power_state=op.host.driver.get_info(instance).state,
            launched_at=timeutils.utcnow(with_timezone=True), progress=0)
    op.expects(task_states.SPAWNING)


@contextlib.contextmanager
def _meanwhile(function, *args):
    """Run a function beside the body, which ends when both have.  Of two errors the body's is raised."""
    task = concurrency.spawn(function, *args)
    try:
        yield
    except BaseException:
        with contextlib.suppress(Exception):
            task.wait()
        raise
    task.wait()


def _leave(op):
    """It will never run here: it holds nothing of this host any more."""
    objects.Claim.release(op.context, op.instance.uuid, '')
    op.save(host=None, node=None, compute_id=None, placement=None)


def first_state(op):
    """The task state that the build begins with on the host: the order that takes it there stores it as well."""
    requested = network_request.NetworkRequestList.of_order(op.context, op.args)
    if requested is None or not requested.no_allocate:
        return task_states.NETWORKING
    if any(bdm.is_volume for bdm in op.bdms or ()):
        return task_states.BLOCK_DEVICE_MAPPING
    return task_states.SPAWNING


def _enter(op, before, task_state):
    """The next task state, stored unless it is there already.  Raises UnexpectedDeletingTaskState."""
    if op.instance.task_state != task_state:
        op.save(before, task_state=task_state)
    return task_state


def _allocate(op, requested):
    """Addresses for the server; undone with the operation."""
    op.undo(op.host.network.deallocate_for_instance, op.context.copy(), op.instance)
    return op.host.network.allocate_for_instance(
        op.context.copy(), op.instance, requested, op.instance.security_groups, bind_host_id=op.host.name)


def _fetch_image(op):
    """Fetch the image while addresses are allocated, where the driver can do that beforehand."""
    if op.instance.image_ref:
        op.host.driver.cache_image(op.context, op.instance.image_ref)


def _clear(op):
    LOG.info('Server %s: an earlier try on this host was cut off; clearing what it left', op.instance.uuid)
    op.host.driver.destroy(op.context, op.instance, op.instance.get_network_info(),
                           block_devices.info_of(op.instance, op.bdms))
    op.host.firewall.remove(op.instance)
    if op.instance.task_state != task_states.SCHEDULING:
        op.host.network.deallocate_for_instance(op.context, op.instance)
    op.instance.trust('network_info', network_model.NetworkInfo())


def _reschedule(op, exc):
    """Give the order back with what went wrong; the conductor counts the tries."""
    tried = [*(op.args.get('tried') or []),
             [op.host.name, op.instance.node, (str(exc) or type(exc).__name__)[:500]]]
    op.hand_over('nova-conductor', None, 'schedule_and_build_instances', args={**op.args, 'tried': tried},
                 values={'host': None, 'node': None, 'compute_id': None, 'placement': None,
                         'task_state': task_states.SCHEDULING,
                         'power_state': power_state.NOSTATE},
                 details=f'{op.host.name}: {exc}', result='Error')
    op.host.conductor_rpcapi.schedule_and_build_instances(op.context, [op.action.id])
