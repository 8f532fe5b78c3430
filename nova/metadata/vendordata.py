# SPDX-License-Identifier: Apache-2.0
"""What the site tells all its servers: a file, and services that are asked."""

import json

from oslo_log import log

from nova.conf import CONF

LOG = log.getLogger(__name__)


def static():
    """The object in [metadata]vendordata_jsonfile_path; {} where there is none or it is not JSON."""
    path = CONF.metadata.vendordata_jsonfile_path
    if not path or 'StaticJSON' not in CONF.metadata.vendordata_providers:
        return {}
    try:
        with open(path, encoding='utf-8') as source:
            return json.load(source)
    except (OSError, ValueError) as error:
        LOG.warning('[metadata]vendordata_jsonfile_path %s cannot be used: %s', path, error)
        return {}


def dynamic(instance):
    """{name: answer} of [metadata]vendordata_dynamic_targets; with the file's content under `static`.

    Raises requests.RequestException when a service fails and vendordata_dynamic_failure_fatal is set.
    """
    found = {'static': static()} if static() else {}
    if 'DynamicJSON' not in CONF.metadata.vendordata_providers:
        return found
    import requests  # a large import that only sites with such services need
    question = {'project-id': instance.project_id, 'instance-id': instance.uuid, 'image-id': instance.image_ref,
                'user-data': instance.user_data, 'hostname': instance.hostname, 'metadata': instance.metadata,
                'boot-roles': (instance.system_metadata or {}).get('boot_roles', '')}
    for target in CONF.metadata.vendordata_dynamic_targets:
        name, _at, url = target.partition('@')
        try:
            answer = requests.post(url or name, json=question, timeout=(
                CONF.metadata.vendordata_dynamic_connect_timeout, CONF.metadata.vendordata_dynamic_read_timeout))
            answer.raise_for_status()
            found[name] = answer.json()
        except (requests.RequestException, ValueError) as error:
            if CONF.metadata.vendordata_dynamic_failure_fatal:
                raise
            LOG.warning('The vendor data service %s failed: %s', name, error)
            found[name] = {}
    return found
