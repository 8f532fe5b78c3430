# SPDX-License-Identifier: Apache-2.0
"""The history of the Compute API: what a client can notice of each microversion.

The newest version is the last one here; the documentation has this as a page.
"""

_TEXT = '''
2.1    all: baseline, same resources as v2.0, strict JSON schemas on bodies
2.2    os-keypairs: body type (ssh default, x509); answers of create, show, list gain type; create 200 -> 201; delete
       202 -> 204
2.3    servers: show and detail gain for admins OS-EXT-SRV-ATTR: reservation_id, launch_index, ramdisk_id, kernel_id,
       hostname, root_device_name, user_data; items of os-extended-volumes:volumes_attached gain delete_on_termination
2.4    os-fixed-ips: show gains reserved (bool)
2.5    servers: filter ip6 for non-admins too (was dropped)
2.6    consoles: POST /servers/{id}/remote-consoles {remote_console:{protocol,type}}; actions os-getVNCConsole,
       os-getSPICEConsole, os-getRDPConsole, os-getSerialConsole become 404
2.7    flavor access: addTenantAccess on a public flavor: 409 (before: accepted)
2.8    consoles: protocol mks, type webmks
2.9    servers: locked (bool) in show, detail, PUT answer, rebuild answer
2.10   os-keypairs: body and query user_id (create, list, show, delete), admin for others
2.11   os-services: forced_down in list; PUT /os-services/force-down {host, binary, forced_down}; PUT schema accepts
       forced_down
2.12   os-virtual-interfaces: items gain net_id
2.13   os-server-groups: answers gain project_id, user_id
2.14   evacuate: body loses onSharedStorage (400 if sent); answer loses adminPass (empty)
2.15   os-server-groups: policies soft-affinity, soft-anti-affinity accepted
2.16   servers: host_status in show, detail by policy: UP, DOWN (forced_down), MAINTENANCE (disabled), UNKNOWN (no
       heartbeat), "" (no host)
2.17   servers: action trigger_crash_dump (null)
2.18   all: URLs without a project id are official
2.19   servers: description (string or null): body of create, PUT, rebuild; in show, detail, PUT and rebuild answers.
       Before: description defaults to the name and is not shown; from here default null
2.20   volume attachments: attach and detach allowed in SHELVED and SHELVED_OFFLOADED (before 409)
2.21   os-instance-actions: list and show work for deleted servers
2.22   server migrations: POST /servers/{s}/migrations/{id}/action {force_complete: null} -> 202
2.23   migrations: GET /servers/{s}/migrations, GET /servers/{s}/migrations/{id}; os-migrations items gain
       migration_type, and links (to the server migration) for live migrations in progress
2.24   server migrations: DELETE /servers/{s}/migrations/{id} -> 202 (running only)
2.25   os-migrateLive: block_migration also auto; disk_over_commit refused
2.26   server tags: /servers/{id}/tags family; tags list in show, detail, PUT, rebuild; filters tags, tags-any,
       not-tags, not-tags-any
2.27   headers: OpenStack-API-Version: compute X.Y in both directions (old header stays)
2.28   os-hypervisors: cpu_info is an object in detail and show (was a JSON string)
2.29   evacuate: body force; host is verified by the scheduler unless force
2.30   os-migrateLive: body force; host is verified by the scheduler unless force
2.31   os-console-auth-tokens: show works for every console type (before rdp-html5 only; others 401)
2.32   servers create: networks[].tag and block_device_mapping_v2[].tag
2.33   os-hypervisors; create: limit, marker, hypervisors_links on list and detail; BDM tag refused again until 2.42
2.34   os-migrateLive: pre-checks asynchronous: their failure is no 400 any more
2.35   os-keypairs: limit, marker, keypairs_links; order by name
2.36   proxies: 404 for /images (not its metadata), os-networks, os-tenant-networks, os-fixed-ips, os-floating-ips,
       -bulk, -pools, -dns, os-security-groups, os-security-group-rules, os-security-group-default-rules, os-volumes,
       os-snapshots, os-baremetal-nodes, os-fping; quota sets lose fixed_ips, floating_ips, security_groups,
       security_group_rules (body and answers); limits lose maxSecurityGroups, maxSecurityGroupRules,
       maxTotalFloatingIps, totalFloatingIpsUsed, totalSecurityGroupsUsed. Server sub-resources and actions of these
       stay
2.37   servers create: networks required: list, auto or none; networks[].uuid must be a uuid; networks[].tag refused
       until 2.42
2.38   servers list: invalid status -> 400 (before empty list)
2.39   images, limits: /images/{id}/metadata 404; createImage and createBackup no longer check metadata_items quota;
       limits lose maxImageMeta
2.40   os-simple-tenant-usage: limit, marker (server uuid), tenant_usages_links, tenant_usage_links; before, results are
       cut silently at max_limit
2.41   os-aggregates: uuid in every aggregate answer
2.42   servers create: tag back in networks and block_device_mapping_v2
2.43   os-hosts: 404
2.44   servers: actions addFixedIp, removeFixedIp, addFloatingIp, removeFloatingIp -> 404; GET os-virtual-interfaces 404
2.45   createImage, createBackup: answer {image_id} instead of the Location header
2.46   headers: X-OpenStack-Request-ID besides X-Compute-Request-ID (sent at every version)
2.47   servers: flavor in the show family = {original_name, vcpus, ram, disk, ephemeral, swap, extra_specs by policy}
       instead of {id, links}
2.48   diagnostics: the form is the same for all drivers
2.49   attach: tag in volume attach and interface attach bodies
2.50   os-quota-class-sets: answers gain server_groups, server_group_members; lose fixed_ips, floating_ips, networks,
       security_groups, security_group_rules (refused in body too)
2.51   events; instance actions: external event volume-extended; events in the action show for everyone, traceback only
       by policy
2.52   servers create: body tags
2.53   os-services, os-hypervisors: ids are uuids in answers, URLs, markers; PUT /os-services/{uuid} {status,
       disabled_reason, forced_down} answers the whole service; PUT enable, disable, disable-log-reason, force-down gone
       (404/400 for non-uuid); hypervisors: query hypervisor_hostname_pattern, with_servers; /search and /servers 404;
       query schema strict
2.54   rebuild: body key_name (null removes); rebuild answer gains key_name
2.55   flavors: description in list, detail, show, create (body and answer); PUT /flavors/{id} {flavor:{description}}
2.56   migrate: body null or {host}
2.57   servers, quotas: personality refused in create and rebuild; rebuild body and answer user_data; limits lose
       maxPersonality, maxPersonalitySize; quota sets and quota class sets lose injected_files,
       injected_file_content_bytes, injected_file_path_bytes
2.58   os-instance-actions: limit, marker, changes-since, links; updated_at in list and show; unknown query 400
2.59   migrations: os-migrations: limit, marker, changes-since, migrations_links, order created_at desc; uuid in
       os-migrations and server migrations; unknown query 400
2.60   volumes: multiattach volumes may be attached to several servers and booted from (older version: 400)
2.61   flavors: extra_specs (by policy os-flavor-extra-specs:index) in detail, show, create, PUT
2.62   instance actions: events gain hostId; host by policy
2.63   servers: trusted_image_certificates in create and rebuild bodies and in show, detail, PUT, rebuild answers
2.64   os-server-groups: body and answer policy (string) and rules {max_server_per_host}; policies and metadata gone
2.65   server migrations: abort also in queued and preparing
2.66   lists: changes-before for servers, instance actions, os-migrations
2.67   servers create: block_device_mapping_v2[].volume_type
2.68   migrateLive, evacuate: force refused
2.69   down cells: GET /servers, /servers/detail, /servers/{id}, /os-services give minimal items for cells that do not
       answer (status UNKNOWN), unless filters, sorting or paging are asked for
2.70   attachments: tag in os-volume_attachments (list, show, create answer) and os-interface (list, show, create
       answer)
2.71   servers: server_groups (list of 0 or 1 uuid) in show, PUT, rebuild; not in detail
2.72   servers create: ports with resource request accepted (older: 400)
2.73   lock: body {locked_reason}; locked_reason in show, detail, PUT, rebuild; locked as filter and sort key
2.74   servers create: host, hypervisor_hostname
2.75   cleanup: unknown query parameters 400; PUT and rebuild answers carry all fields of show; flavor swap 0 instead of
       ""; hypervisors always show servers when with_servers (even empty)
2.76   events: power-update
2.77   unshelve: null or {availability_zone} (needs SHELVED_OFFLOADED)
2.78   topology: GET /servers/{id}/topology
2.79   volume attach: delete_on_termination in body and all attachment answers
2.80   migrations: user_id, project_id in os-migrations and server migrations; both as filters of os-migrations
2.81   aggregates: POST /os-aggregates/{id}/images
2.82   events: accelerator-request-bound
2.83   servers list: non-admin filters availability_zone, config_drive, key_name, created_at, launched_at,
       terminated_at, power_state, task_state, vm_state, progress, user_id
2.84   instance actions: events gain details (null or text) by policy events:details
2.85   volume attachments: PUT can change delete_on_termination
2.86   extra specs: validation of known namespaces in POST and PUT
2.87   rescue: volume-backed servers, where the host can (older: 400)
2.88   os-hypervisors: detail and show lose current_workload, cpu_info, vcpus, vcpus_used, free_disk_gb, local_gb,
       local_gb_used, disk_available_least, free_ram_mb, memory_mb, memory_mb_used, running_vms; gain uptime (null if
       unknown); /statistics and /{id}/uptime 404
2.89   volume attachments: list and show: lose id, gain attachment_id, bdm_uuid
2.90   servers: body hostname in create, PUT, rebuild; OS-EXT-SRV-ATTR:hostname visible to everyone in show, detail,
       PUT, rebuild; filter hostname for everyone
2.91   unshelve: {availability_zone (null unpins), host (admin)}; both optional
2.92   os-keypairs: public_key required (no generation, no private_key); names may contain @ and .
2.93   rebuild; events: volume-backed rebuild re-images; external event volume-reimaged
2.94   servers: hostname may be an FQDN
2.95   evacuate: evacuated server stays stopped on the new host
2.96   servers: pinned_availability_zone (string or null) in show, detail, PUT, rebuild
2.97   shares: /servers/{id}/shares family
2.98   servers: image.properties {*} in show, detail, PUT, rebuild (image object only; "" stays "")
2.99   consoles: type spice-direct; console auth token of type spice-direct gains tls_port (null or int); its query
       strict
2.100  servers: scheduler_hints {*} in show, detail, PUT, rebuild ({} when none)
2.101  volume attach: POST answers 202 without body
2.102  flavors, all: filter name on flavors; rxtx_factor and OS-FLV-DISABLED:disabled gone from answers, rxtx_factor
       refused in create and as sort key; unknown query parameters 400 everywhere
2.103  os-volumes_boot: 404
2.104  servers PUT: body pinned_availability_zone
'''


def _read(text):
    """{version: what changed}; lines that begin with a blank continue the one before."""
    found = {}
    for line in text.strip().splitlines():
        version, _blank, rest = line.partition(' ')
        if version:
            found[version] = rest.strip()
        else:
            last = next(reversed(found))
            found[last] += ' ' + rest.strip()
    return found


HISTORY = _read(_TEXT)
if list(HISTORY) != [f'2.{number}' for number in range(1, len(HISTORY) + 1)]:
    raise ValueError('the history of microversions has a gap, or is out of order')
