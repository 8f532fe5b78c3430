# SPDX-License-Identifier: Apache-2.0
"""What can go wrong, in terms of the domain.

An exception has a *kind*, which says who can do something about it; it knows no HTTP number.  The REST framework maps
kinds to statuses in one table (`nova.api.openstack.errors`).  Only the kinds, and what callers outside one package
catch, live here; everything else is declared where it belongs.

    NovaException
    +-- Invalid           the request makes no sense                  (kind INVALID)
    +-- NotAuthorized     the caller may not do this                  (kind FORBIDDEN)
    +-- NotFound          the thing asked for is not there            (kind NOT_FOUND)
    +-- Conflict          it is there, and in the wrong state         (kind CONFLICT)
    +-- QuotaError        it would be too much                        (kind OVER_LIMIT)
    +-- Unavailable       a service that is needed does not answer    (kind UNAVAILABLE)
    +-- Unsupported       nobody here can do that                     (kind UNSUPPORTED)
"""

INVALID = 'invalid'
UNAUTHORIZED = 'unauthorized'
FORBIDDEN = 'forbidden'
NOT_FOUND = 'not_found'
CONFLICT = 'conflict'
OVER_LIMIT = 'over_limit'
UNAVAILABLE = 'unavailable'
UNSUPPORTED = 'unsupported'
INTERNAL = 'internal'


class NovaException(Exception):
    """Base of all our exceptions.

    The message is `msg_fmt` filled with the keyword arguments, or the text given as first argument.  The arguments
    stay readable in `kwargs`, so that a caller need not parse a sentence.
    """

    msg_fmt = 'An unknown error occurred.'
    kind = INTERNAL

    def __init__(self, message=None, **kwargs):
        self.kwargs = kwargs
        if message is None:
            try:
                message = self.msg_fmt % kwargs
            except (KeyError, TypeError, ValueError):
                message = f'{self.msg_fmt} {kwargs}'
        self.message = str(message)
        super().__init__(self.message)

    def format_message(self):
        return self.message


# The kinds -----------------------------------------------------------------------------------------------------------

class Invalid(NovaException):
    msg_fmt = 'The request is invalid: %(reason)s'
    kind = INVALID


class Unauthorized(NovaException):
    msg_fmt = 'The request carries no valid credentials.'
    kind = UNAUTHORIZED


class NotAuthorized(NovaException):
    msg_fmt = 'You are not allowed to do this.'
    kind = FORBIDDEN


class NotFound(NovaException):
    msg_fmt = 'The resource could not be found.'
    kind = NOT_FOUND


class Conflict(NovaException):
    msg_fmt = 'The request conflicts with the present state: %(reason)s'
    kind = CONFLICT


class QuotaError(NovaException):
    msg_fmt = 'Quota exceeded: %(overs)s'
    kind = OVER_LIMIT


class Unavailable(NovaException):
    msg_fmt = 'The service is not available now: %(reason)s'
    kind = UNAVAILABLE


class NeighbourUnavailable(Unavailable):
    """Of another service of the cloud: whatever is asked of us may need it."""


class Unsupported(NovaException):
    msg_fmt = 'This is not supported here: %(reason)s'
    kind = UNSUPPORTED


# Input ---------------------------------------------------------------------------------------------------------------

class InvalidInput(Invalid):
    msg_fmt = 'Invalid input: %(reason)s'


class ValidationError(Invalid):
    msg_fmt = '%(detail)s'


class InvalidSortKey(Invalid):
    msg_fmt = 'sort_key: %(key)s is not a key this list can be sorted by.'


class MarkerNotFound(Invalid):
    msg_fmt = 'marker: %(marker)s is not an item of this list.'


class InvalidUUID(Invalid):
    msg_fmt = '%(uuid)s is not a UUID.'


class ConfigInvalid(Invalid):
    msg_fmt = 'The configuration is wrong: %(option)s: %(reason)s'


# Who may what --------------------------------------------------------------------------------------------------------

class PolicyNotAuthorized(NotAuthorized):
    msg_fmt = "Policy doesn't allow %(action)s to be performed."


class AdminRequired(NotAuthorized):
    msg_fmt = 'Only an administrator may do this.'


# Servers -------------------------------------------------------------------------------------------------------------

class InstanceNotFound(NotFound):
    msg_fmt = 'Instance %(instance_id)s could not be found.'


class InstanceInvalidState(Conflict):
    """The state table (`nova.compute.states`) does not allow this now."""

    msg_fmt = "Cannot '%(method)s' instance %(instance_uuid)s while it is in %(attr)s %(state)s"


class InstanceIsLocked(Conflict):
    msg_fmt = 'Instance %(instance_uuid)s is locked'


class InstanceNotReady(Conflict):
    msg_fmt = 'Instance %(instance_id)s is not ready: it has no host yet.'


class UnexpectedTaskState(Conflict):
    """Somebody else changed the server between our reading and our writing."""

    msg_fmt = 'Instance %(instance_uuid)s: task_state is %(actual)s where %(expected)s was expected.'


class UnexpectedVMState(Conflict):
    msg_fmt = 'Instance %(instance_uuid)s: vm_state is %(actual)s where %(expected)s was expected.'


class UnexpectedDeletingTaskState(UnexpectedTaskState):
    """The server is being deleted; whatever else was going on with it ends here."""


class InstanceExists(Conflict):
    msg_fmt = 'Instance %(name)s already exists.'


class InstanceFaultRollback(NovaException):
    """The action failed and was undone: the server is as it was before.  Wraps the reason."""

    msg_fmt = 'The action was undone: %(reason)s'

    def __init__(self, inner_exception=None, **kwargs):
        self.inner_exception = inner_exception
        super().__init__(reason=inner_exception or kwargs.get('reason', ''))


class BuildAbortException(NovaException):
    """The build failed, and another host would not do better."""

    msg_fmt = 'Build of instance %(instance_uuid)s aborted: %(reason)s'


class RescheduledException(NovaException):
    """The build failed on this host; nothing of it is left here; another host may do better."""

    msg_fmt = 'Build of instance %(instance_uuid)s was re-scheduled: %(reason)s'


class NoValidHost(NovaException):
    """No host can take the server.  `user_reason` names no host and no capacity."""

    msg_fmt = 'No valid host was found. %(reason)s'
    kind = CONFLICT

    def __init__(self, message=None, **kwargs):
        self.user_reason = kwargs.get('user_reason', '')
        super().__init__(message, **kwargs)


class FlavorNotFound(NotFound):
    msg_fmt = 'Flavor %(flavor_id)s could not be found.'


class FlavorDisabled(Invalid):
    msg_fmt = 'flavorRef: flavor %(flavor_id)s is disabled.'


class FlavorExists(Conflict):
    msg_fmt = 'Flavor with name %(name)s already exists.'


class FlavorIdExists(Conflict):
    msg_fmt = 'Flavor with ID %(flavor_id)s already exists.'


class FlavorAccessNotFound(NotFound):
    msg_fmt = 'Flavor access not found for %(flavor_id)s / %(project_id)s combination.'


class FlavorAccessExists(Conflict):
    msg_fmt = 'Flavor access already exists for flavor %(flavor_id)s and project %(project_id)s combination.'


class FlavorExtraSpecsNotFound(NotFound):
    msg_fmt = 'Flavor %(flavor_id)s has no extra specs with key %(extra_specs_key)s.'


class KeypairNotFound(NotFound):
    msg_fmt = 'Keypair %(name)s not found for user %(user_id)s'


class KeyPairExists(Conflict):
    msg_fmt = "Key pair '%(key_name)s' already exists."


class InvalidKeypair(Invalid):
    msg_fmt = 'Keypair data is invalid: %(reason)s'


# Images and disks ----------------------------------------------------------------------------------------------------

class ImageNotFound(NotFound):
    msg_fmt = 'Image %(image_id)s could not be found.'


class ImageNotAuthorized(NotAuthorized):
    msg_fmt = 'Not authorized for image %(image_id)s.'


class ImageNotActive(Invalid):
    msg_fmt = 'Image %(image_id)s is not active.'


class ImageUnacceptable(Invalid):
    msg_fmt = 'Image %(image_id)s is unacceptable: %(reason)s'


class ImageBadRequest(Invalid):
    msg_fmt = 'Request of image %(image_id)s got a bad answer: %(response)s'


class InvalidDiskFormat(Invalid):
    msg_fmt = 'Disk format %(disk_format)s is not acceptable'


class FlavorDiskSmallerThanImage(Invalid):
    msg_fmt = ('Flavor\'s disk is too small for the image: it has %(flavor_size)i bytes, '
               'the image needs %(image_size)i bytes.')


class FlavorDiskSmallerThanMinDisk(Invalid):
    msg_fmt = ('Flavor\'s disk is smaller than the minimum of the image: it has %(flavor_size)i bytes, '
               'min_disk is %(image_min_disk)i bytes.')


class FlavorMemoryTooSmall(Invalid):
    msg_fmt = "Flavor's memory is too small for the requested image."


class InvalidBDM(Invalid):
    msg_fmt = 'Block Device Mapping is Invalid: %(reason)s'


class VolumeNotFound(NotFound):
    msg_fmt = 'Volume %(volume_id)s could not be found.'


# Networks ------------------------------------------------------------------------------------------------------------

class NetworkNotFound(NotFound):
    msg_fmt = 'Network %(network_id)s could not be found.'


class NetworkAmbiguous(Conflict):
    msg_fmt = 'More than one possible network was found. Use network ID(s) to select which one(s) to connect to.'


class NetworkInUse(Conflict):
    msg_fmt = 'Network %(network_id)s is still in use.'


class FixedIpNotFound(NotFound):
    msg_fmt = 'Fixed IP %(address)s could not be found.'


class FixedIpAlreadyInUse(Conflict):
    msg_fmt = 'Fixed IP address %(address)s is already in use.'


class NoMoreFixedIps(Conflict):
    msg_fmt = 'No fixed IP addresses available for network: %(net)s'


class SecurityGroupNotFound(NotFound):
    msg_fmt = 'Security group %(security_group_id)s not found.'


class NetworkUnavailable(Unavailable):
    msg_fmt = 'The network service does not answer: %(reason)s'


# Hosts and services --------------------------------------------------------------------------------------------------

class ServiceNotFound(NotFound):
    msg_fmt = 'Service %(service_id)s could not be found.'


class ComputeHostNotFound(NotFound):
    msg_fmt = 'Compute host %(host)s could not be found.'


class ComputeServiceUnavailable(Conflict):
    msg_fmt = 'Compute service of %(host)s is unavailable at this time.'


class HypervisorUnavailable(Unavailable):
    msg_fmt = 'Connection to the hypervisor is broken on host %(host)s'


class AggregateNotFound(NotFound):
    msg_fmt = 'Aggregate %(aggregate_id)s could not be found.'


class CellMappingNotFound(NotFound):
    msg_fmt = 'Cell %(uuid)s has no mapping.'


class HostMappingNotFound(NotFound):
    msg_fmt = 'Host %(name)s is not mapped to any cell.'


class InstanceMappingNotFound(NotFound):
    msg_fmt = 'Instance %(uuid)s has no mapping to a cell.'


class InstanceGroupNotFound(NotFound):
    msg_fmt = 'Instance group %(group_uuid)s could not be found.'


# Quota ---------------------------------------------------------------------------------------------------------------

class OverQuota(QuotaError):
    msg_fmt = 'Quota exceeded for %(overs)s'


class TooManyInstances(QuotaError):
    msg_fmt = ('Quota exceeded for %(overs)s: Requested %(req)s, but already used %(used)s of %(allowed)s %(overs)s')


class MetadataLimitExceeded(QuotaError):
    msg_fmt = 'Maximum number of metadata items exceeds %(allowed)d'


class KeypairLimitExceeded(QuotaError):
    msg_fmt = 'Quota exceeded, too many key pairs.'


class ServerGroupLimitExceeded(QuotaError):
    msg_fmt = 'Quota exceeded, too many server groups: at most %(allowed)d.'


class ServerGroupMembersLimitExceeded(QuotaError):
    msg_fmt = 'Quota exceeded, too many servers in group: at most %(allowed)d.'


class OnsetFileLimitExceeded(QuotaError):
    msg_fmt = 'Personality file limit exceeded'


# Volumes -------------------------------------------------------------------------------------------------------------

class SnapshotNotFound(NotFound):
    msg_fmt = 'Snapshot %(snapshot_id)s could not be found.'


class InvalidVolume(Invalid):
    msg_fmt = 'Invalid volume: %(reason)s'


class VolumeNotCreated(NovaException):
    msg_fmt = 'Volume %(volume_id)s was not created: %(reason)s'


class CinderConnectionFailed(NeighbourUnavailable):
    msg_fmt = 'Connection to the Block Storage service failed: %(reason)s'


class VolumeBDMNotFound(NotFound):
    msg_fmt = 'Volume %(volume_id)s is not attached to server %(instance_uuid)s.'


# Interfaces ----------------------------------------------------------------------------------------------------------

class InterfaceAttachFailed(NovaException):
    msg_fmt = 'Failed to attach network adapter device to %(instance_uuid)s: %(reason)s'


class InterfaceDetachFailed(NovaException):
    msg_fmt = 'Failed to detach network adapter device from %(instance_uuid)s: %(reason)s'


# Images of servers ---------------------------------------------------------------------------------------------------

class VolumeBackedNotSupported(Invalid):
    msg_fmt = 'Instance %(instance_id)s boots from a volume, which this action does not support here.'


class PreserveEphemeralNotSupported(Unsupported):
    msg_fmt = 'The current driver does not support preserving ephemeral partitions.'


class UnshelveHostNotInAZ(Conflict):
    msg_fmt = 'Host %(host)s is not in the availability zone %(availability_zone)s.'


class UnshelveInstanceInvalidState(Conflict):
    msg_fmt = ('Specifying an availability zone or host when unshelving instance %(instance_uuid)s with status '
               '%(state)s is not supported. The instance must be offloaded.')


# Moving --------------------------------------------------------------------------------------------------------------

class CannotResizeToSameFlavor(Invalid):
    msg_fmt = 'When resizing, instances must change flavor!'


class CannotResizeDisk(Invalid):
    msg_fmt = 'Server disk was unable to be resized because: %(reason)s'


class CannotMigrateToSameHost(Invalid):
    msg_fmt = 'Cannot migrate to the host where the server exists.'


class MigrationNotFound(NotFound):
    msg_fmt = 'Migration %(migration_id)s could not be found.'


class MigrationNotFoundForInstance(MigrationNotFound):
    msg_fmt = 'Migration %(migration_id)s not found for instance %(instance_id)s'


class MigrationNotFoundByStatus(Invalid):
    msg_fmt = 'Migration not found for instance %(instance_id)s with status %(status)s.'


class InvalidMigrationState(Invalid):
    msg_fmt = ('Migration %(migration_id)s state of instance %(instance_uuid)s is %(state)s. Cannot %(method)s while '
               'the migration is in this state.')


class MigrationPreCheckError(Invalid):
    msg_fmt = 'Migration pre-check error: %(reason)s'


class MigrationCancelled(Conflict):
    msg_fmt = 'The migration was cancelled.'


class MigrationError(NovaException):
    msg_fmt = 'Migration error: %(reason)s'


class ComputeServiceInUse(Invalid):
    msg_fmt = 'Compute service of %(host)s is still in use.'


# Drivers -------------------------------------------------------------------------------------------------------------

class InstancePowerOffFailure(NovaException):
    msg_fmt = 'Failed to power off instance: %(reason)s'


class ConsoleNotAvailable(Conflict):
    msg_fmt = 'Guest does not have a console available.'


class ConsoleTypeUnavailable(Invalid):
    msg_fmt = 'Unavailable console type %(console_type)s.'


class ConsoleTypeInvalid(Invalid):
    msg_fmt = 'Invalid console type %(console_type)s'


class ConsoleTokenNotFound(NotFound):
    msg_fmt = 'The console token is not valid, or has expired.'


class InstancePasswordSetFailed(Conflict):
    msg_fmt = 'Failed to set admin password on %(instance)s because %(reason)s'


class InstanceNotRescuable(Invalid):
    msg_fmt = 'Instance %(instance_id)s cannot be rescued: %(reason)s'


class DriverUnsupported(Unsupported):
    msg_fmt = 'The driver of host %(host)s cannot do %(method)s.'


# Wire ----------------------------------------------------------------------------------------------------------------

class IncompatibleObjectVersion(NovaException):
    msg_fmt = 'Version %(objver)s of %(objname)s is not supported'


class OrderLost(Conflict):
    """The work order was taken over by another service (our lease ran out), or its server is gone: stop."""

    msg_fmt = 'Order %(action_id)s is not ours any more.'


class OrphanedObjectError(NovaException):
    msg_fmt = 'Cannot call %(method)s on orphaned %(objtype)s object'


class ObjectActionError(NovaException):
    msg_fmt = 'Object action %(action)s failed because: %(reason)s'
