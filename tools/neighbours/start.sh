#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
set -eu
usage() {
    cat <<'TEXT'
Usage: tools/neighbours/start.sh [--dir DIR] [--venv DIR] [--compute-url URL] [--keystone-port N] [--glance-port N] [--cinder-port N]

A Keystone, a Glance and a Cinder (volumes are files) from PyPI on loopback ports, for our service to stand beside. Afterwards DIR has
clouds.yaml (clouds neighbours-admin, -member, -reader, -other), nova.conf (what our configuration needs) and env.
TEXT
}
HERE=$(cd "$(dirname "$0")" && pwd)
. "$HERE/../lib/setup.sh"
CACHE=$(cd "$HERE/../.." && pwd)/.cache/neighbours
DIR=$CACHE/run VENV=$CACHE/venv COMPUTE=http://127.0.0.1:8774/v2.1 KEYSTONE_PORT='' GLANCE_PORT='' CINDER_PORT=''
while [ $# -gt 0 ]; do
    case $1 in
        --dir) DIR=$2; shift 2 ;;
        --venv) VENV=$2; shift 2 ;;
        --compute-url) COMPUTE=$2; shift 2 ;;
        --keystone-port) KEYSTONE_PORT=$2; shift 2 ;;
        --glance-port) GLANCE_PORT=$2; shift 2 ;;
        --cinder-port) CINDER_PORT=$2; shift 2 ;;
        -h|--help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
done

mkdir -p "$DIR" "$(dirname "$VENV")"
chmod 700 "$DIR"
DIR=$(cd "$DIR" && pwd)
exec 9> "$VENV.lock"
flock 9
if ! cmp -s "$HERE/requirements.txt" "$VENV/installed"; then
    python3 -m venv "$VENV"
    install_python "$VENV" -r "$HERE/requirements.txt"
    cp "$HERE/requirements.txt" "$VENV/installed"
fi
exec 9>&-
PATH=$VENV/bin:$PATH

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
"$HERE/stop.sh" --dir "$DIR"
KEYSTONE_PORT=${KEYSTONE_PORT:-$(free_port)}
GLANCE_PORT=${GLANCE_PORT:-$(free_port)}
CINDER_PORT=${CINDER_PORT:-$(free_port)}
KEYSTONE=http://127.0.0.1:$KEYSTONE_PORT GLANCE=http://127.0.0.1:$GLANCE_PORT CINDER=http://127.0.0.1:$CINDER_PORT
PASSWORD=$(cat "$DIR/password" 2>/dev/null || python3 -c 'import secrets; print(secrets.token_hex(16))')
(umask 077; echo "$PASSWORD" > "$DIR/password")
mkdir -p "$DIR/keystone" "$DIR/glance" "$DIR/cinder/locks" "$DIR/volumes" "$DIR/images" "$DIR/log"

credentials() {  # user
    cat <<TEXT
auth_url = $KEYSTONE/v3
auth_type = password
username = $1
password = $PASSWORD
project_name = service
user_domain_name = Default
project_domain_name = Default
TEXT
}
cat > "$DIR/keystone/keystone.conf" <<TEXT
[DEFAULT]
public_endpoint = $KEYSTONE
[database]
connection = sqlite:///$DIR/keystone/keystone.sqlite
[fernet_tokens]
key_repository = $DIR/keystone/fernet
[credential]
key_repository = $DIR/keystone/credential
[identity]
# Many logins in a test, and a machine of its own: the cheapest hash that is allowed.
password_hash_rounds = 4
TEXT
cat > "$DIR/glance/glance-api.conf" <<TEXT
[DEFAULT]
enabled_backends = disk:file
public_endpoint = $GLANCE
[database]
connection = sqlite:///$DIR/glance/glance.sqlite
[glance_store]
default_backend = disk
[disk]
filesystem_store_datadir = $DIR/images
[os_glance_staging_store]
filesystem_store_datadir = $DIR/glance/staging
[os_glance_tasks_store]
filesystem_store_datadir = $DIR/glance/tasks
[paste_deploy]
flavor = keystone
config_file = $VENV/etc/glance/glance-api-paste.ini
[keystone_authtoken]
www_authenticate_uri = $KEYSTONE
$(credentials glance)
TEXT
cat > "$DIR/cinder/cinder.conf" <<TEXT
[DEFAULT]
host = cinder
my_ip = 127.0.0.1
state_path = $DIR/cinder
transport_url = fake:/
auth_strategy = keystone
enabled_backends = files
api_paste_config = $VENV/etc/cinder/api-paste.ini
resource_query_filters_file = $VENV/etc/cinder/resource_filters.json
rootwrap_config = $VENV/etc/cinder/rootwrap.conf
glance_api_servers = $GLANCE
public_endpoint = $CINDER
report_interval = 2
# New volumes are made at once: the scheduler need not wait for reports.
scheduler_driver_init_wait_time = 1
[database]
connection = sqlite:///$DIR/cinder/cinder.sqlite
[oslo_concurrency]
lock_path = $DIR/cinder/locks
[files]
volume_driver = file_volumes.FileVolumes
volume_backend_name = files
files_directory = $DIR/volumes
[nova]
region_name = RegionOne
$(credentials cinder)
[keystone_authtoken]
www_authenticate_uri = $KEYSTONE
service_token_roles = service
service_token_roles_required = true
$(credentials cinder)
TEXT
chmod 600 "$DIR/glance/glance-api.conf" "$DIR/cinder/cinder.conf"

manage_keystone() { keystone-manage --config-file "$DIR/keystone/keystone.conf" "$@"; }
(glance-manage --config-file "$DIR/glance/glance-api.conf" db_sync > "$DIR/log/glance-manage.out" 2>&1) &
glance_db=$!
(cinder-manage --config-file "$DIR/cinder/cinder.conf" db sync > "$DIR/log/cinder-manage.out" 2>&1) &
cinder_db=$!
manage_keystone db_sync > "$DIR/log/keystone-manage.out" 2>&1
for what in fernet_setup credential_setup; do
    mkdir -p "$DIR/keystone/${what%_setup}"
    chmod 700 "$DIR/keystone/${what%_setup}"
    manage_keystone "$what" --keystone-user "$(id -un)" --keystone-group "$(id -gn)" >> "$DIR/log/keystone-manage.out" 2>&1
done
OS_BOOTSTRAP_PASSWORD=$PASSWORD manage_keystone bootstrap --bootstrap-region-id RegionOne \
    --bootstrap-public-url "$KEYSTONE/v3" --bootstrap-internal-url "$KEYSTONE/v3" \
    --bootstrap-admin-url "$KEYSTONE/v3" >> "$DIR/log/keystone-manage.out" 2>&1
wait "$glance_db"
wait "$cinder_db"

serve() {  # name port what [script]
    setsid python3 "$HERE/${4:-serve.py}" "$2" "$3" > "$DIR/log/$1.out" 2>&1 < /dev/null &
    echo $! > "$DIR/$1.pid"
}
OS_KEYSTONE_CONFIG_DIR=$DIR/keystone OS_KEYSTONE_CONFIG_FILES=keystone.conf serve keystone "$KEYSTONE_PORT" keystone.wsgi.api
OS_GLANCE_CONFIG_DIR=$DIR/glance OS_GLANCE_CONFIG_FILES=glance-api.conf serve glance "$GLANCE_PORT" glance.wsgi.api
serve cinder "$CINDER_PORT" "$DIR/cinder/cinder.conf" block_storage.py

answers() {  # name url
    for _ in $(seq 300); do
        if python3 -c 'import sys, requests; requests.get(sys.argv[1], timeout=5)' "$2" 2>/dev/null; then return; fi
        kill -0 "$(cat "$DIR/$1.pid")" 2>/dev/null || break
        sleep 0.2
    done
    echo "$1 does not answer:" >&2; tail -30 "$DIR/log/$1.out" >&2; exit 1
}
answers keystone "$KEYSTONE/v3"
python3 "$HERE/fill.py" "$DIR" "$KEYSTONE" "$GLANCE" "$CINDER" "$COMPUTE" "$PASSWORD"
answers glance "$GLANCE/versions"
answers cinder "$CINDER/"
cat > "$DIR/env" <<TEXT
KEYSTONE_URL=$KEYSTONE
GLANCE_URL=$GLANCE
CINDER_URL=$CINDER
OS_CLIENT_CONFIG_FILE=$DIR/clouds.yaml
TEXT
