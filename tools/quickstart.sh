#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
set -eu
usage() {
    cat <<'TEXT'
Usage: tools/quickstart.sh [--driver libvirt|fake] [--virt-type qemu|kvm] [start|stop|clean|status]

From a clone to a running server on this machine, with one process (nova-all) and one SQLite file.

  start    (the default) install what is missing, set up, start, boot a server; what is there is used again
  stop     power the servers off, stop the service and what it started
  clean    stop, then remove servers, networks, files: everything that start made, except installed packages,
           the virtual environment and the test guest (they stay in the source tree: .venv, .cache)
  status   say what runs

  --driver libvirt   guests under QEMU; needs root, and Debian to install packages (the default)
  --driver fake      servers that exist only in memory; needs neither
  --virt-type kvm    hardware virtualisation instead of emulation, where the machine has it

Files are in $NOVA_QUICKSTART_DIR: /var/lib/nova-quickstart for root, ~/.nova-quickstart for others.
TEXT
}

. "$(dirname "${BASH_SOURCE[0]}")/lib/setup.sh"

if is_root; then STATE=/var/lib/nova-quickstart; else STATE=$HOME/.nova-quickstart; fi
STATE=${NOVA_QUICKSTART_DIR:-$STATE}
API=http://127.0.0.1:8774
CONFIG=$STATE/nova.conf
BRIDGE=nova-quick0
SERVER=one
driver=
virt_type=qemu
command=start
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) usage; exit 0 ;;
        --driver) driver=${2:-}; shift ;;
        --driver=*) driver=${1#*=} ;;
        --virt-type) virt_type=${2:-}; shift ;;
        --virt-type=*) virt_type=${1#*=} ;;
        start | stop | clean | status) command=$1 ;;
        *) usage >&2; fail "not understood: $1" ;;
    esac
    shift
done
# What it was set up with before.
[ -n "$driver" ] || driver=$(cat "$STATE/driver" 2>/dev/null || echo libvirt)
case $driver in libvirt | fake) ;; *) fail "--driver: $driver is neither libvirt nor fake" ;; esac
case $virt_type in qemu | kvm) ;; *) fail "--virt-type: $virt_type is neither qemu nor kvm" ;; esac

STEPS=8
step_number=0
step() {
    step_number=$((step_number + 1))
    say "[$step_number/$STEPS] $*"
}

manage() {
    "$VENV/bin/nova-manage" --config-file "$CONFIG" "$@" || {
        [ ! -s "$STATE/nova.log" ] || echo "    more is in $STATE/nova.log" >&2
        return 1
    }
}

# The stock client, as the user of clouds.yaml or (cloud=nova-admin) the administrator.
client() {
    OS_CLIENT_CONFIG_FILE=$STATE/clouds.yaml OS_CLOUD=${cloud:-nova} "$VENV/bin/openstack" "$@"
}

# What the service says about its health; fails unless it is well.
health() {
    "$VENV/bin/python" -c '
import sys, urllib.error, urllib.request
try:
    answer = urllib.request.build_opener(urllib.request.ProxyHandler({})).open(sys.argv[1], timeout=5)
    print(answer.read().decode().strip())
except OSError as error:
    sys.exit(str(error))' "$API/healthcheck" 2>/dev/null
}

is_running() {
    local pid
    pid=$(cat "$STATE/$1.pid" 2>/dev/null) && lives "$pid"
}

# In a container whose first process waits for nobody, those that have ended stay listed, as zombies.
lives() {
    kill -0 "$1" 2>/dev/null && ! grep -qs '^State:.Z' "/proc/$1/status"
}

# End a process that we started, by its pid file. $2: seconds until it is killed.
end_process() {
    local pid end=$((SECONDS + $2))
    is_running "$1" || { rm -f "$STATE/$1.pid"; return 0; }
    pid=$(cat "$STATE/$1.pid")
    kill "$pid"
    while lives "$pid"; do
        [ $SECONDS -lt $end ] || kill -9 "$pid" 2>/dev/null || :
        sleep 0.2
    done
    rm -f "$STATE/$1.pid"
}

# Set-up ---------------------------------------------------------------------------------------------------------------

check_machine() {
    [ "$driver" = libvirt ] || return 0
    local lacks=
    is_root || lacks='root (it makes bridges, taps and packet filter rules)'
    if [ -z "$lacks" ] && ! command -v libvirtd >/dev/null && ! command -v apt-get >/dev/null; then
        lacks='libvirt and QEMU, and there is no apt-get to install them'
    fi
    [ -z "$lacks" ] ||
        fail "guests need $lacks. To look around without guests: tools/quickstart.sh --driver fake"
}

# The names of the stock client's environment would win over clouds.yaml.
forget_other_clouds() {
    local name
    for name in $(env | sed -n 's/^\(OS_[A-Z_]*\)=.*/\1/p'); do unset "$name"; done
}

# A network that this machine does not have yet.
free_network() {
    local prefix
    for prefix in 10.0.0 10.20.30 192.168.130 172.30.200; do
        # 192.0.2.1 is nowhere: a route to the prefix that differs from it is one of its own.
        if ! ip -4 route show root "$prefix.0/16" 2>/dev/null | grep -q . &&
            ! ip -4 route show match "$prefix.1" 2>/dev/null | grep -vq '^default'; then
            echo "$prefix.0/24"
            return
        fi
    done
    echo 10.0.0.0/24
}

password_hash() {
    "$VENV/bin/python" -W ignore -c '
import sys
from nova.api.standalone import users
print(users.hash_password(sys.argv[1]))' "$1"
}

write_configuration() {
    local demo admin
    mkdir -p "$STATE"
    chmod 755 "$STATE"
    [ ! -e "$STATE/driver" ] || [ "$(cat "$STATE/driver")" = "$driver" ] ||
        fail "$STATE was set up with --driver $(cat "$STATE/driver"); remove that first: tools/quickstart.sh clean"
    [ ! -e "$STATE/complete" ] || return 0
    [ -e "$STATE/network" ] || free_network >"$STATE/network"
    demo=$(head -c 9 /dev/urandom | base64 | tr '+/' 'ab')
    admin=$(head -c 9 /dev/urandom | base64 | tr '+/' 'ab')
    (
        umask 077
        cat >"$STATE/users.yaml" <<YAML
# Users of the identity front door; passwords are hashes (python -m nova.api.standalone.users makes one).
projects:
  demo: {description: The project of the quickstart}
  admin: {description: The administrators}
users:
  demo:
    password: $(password_hash "$demo")
    roles: {demo: [member]}
    default_project: demo
  admin:
    password: $(password_hash "$admin")
    roles: {admin: [admin], demo: [admin]}
    default_project: admin
YAML
        cat >"$STATE/clouds.yaml" <<YAML
# For the openstack client and the SDKs: OS_CLIENT_CONFIG_FILE=$STATE/clouds.yaml OS_CLOUD=nova
clouds:
  nova: &nova
    auth: &auth
      auth_url: $API/identity/v3
      username: demo
      password: $demo
      project_name: demo
      user_domain_name: Default
      project_domain_name: Default
    region_name: RegionOne
    identity_api_version: 3
  nova-admin:
    <<: *nova
    auth:
      <<: *auth
      username: admin
      password: $admin
      project_name: admin
YAML
        cat >"$CONFIG" <<CONF
[DEFAULT]
state_path = $STATE
log_file = $STATE/nova.log
my_ip = 127.0.0.1
transport_url = local://
osapi_compute_listen = 127.0.0.1
# There is no other host to go to.
allow_resize_to_same_host = True
CONF
        case $driver in
            libvirt) cat >>"$CONFIG" <<CONF
compute_driver = libvirt.LibvirtDriver
# One host: it is gateway, DHCP and metadata server of its guests.
metadata_host = 127.0.0.1
flat_network_bridge = $BRIDGE
reserved_host_memory_mb = 256

[libvirt]
virt_type = $virt_type

CONF
                ;;
            fake) cat >>"$CONFIG" <<CONF
compute_driver = fake.FakeDriver
fake_network = True
metadata_listen = 127.0.0.1

[fake]
# Guests outlive the service, as real ones do.
state_file = $STATE/guests-%(host)s.json

CONF
                ;;
        esac
        cat >>"$CONFIG" <<CONF
[api]
auth_strategy = standalone

[standalone]
users_file = $STATE/users.yaml

[database]
connection = sqlite:///$STATE/nova.sqlite
CONF
    )
    echo "$driver" >"$STATE/driver"
    remember_switches
}

# Kernel switches that nova-network turns on; `clean` puts them back.
SWITCHES='net/ipv4/ip_forward net/ipv6/conf/all/forwarding net/bridge/bridge-nf-call-iptables
          net/bridge/bridge-nf-call-ip6tables'

remember_switches() {
    local name
    [ "$driver" = libvirt ] && [ ! -e "$STATE/switches" ] || return 0
    for name in $SWITCHES; do
        [ ! -e "/proc/sys/$name" ] || echo "$name $(cat "/proc/sys/$name")"
    done >"$STATE/switches"
}

put_switches_back() {
    local name value
    while read -r name value; do
        [ "$(cat "/proc/sys/$name" 2>/dev/null)" = "$value" ] || echo "$value" >"/proc/sys/$name" || :
    done 2>/dev/null <"$STATE/switches" || :
}

# libvirt, unless it runs: by systemd, or where there is none (a container), by ourselves.
start_libvirt() {
    local reaped=("$VENV/bin/python" "$TREE/tools/lib/reaper.py" "$(command -v libvirtd || echo /usr/sbin/libvirtd)")
    [ "$driver" = libvirt ] || return 0
    if timeout 20 virsh -c qemu:///system version >/dev/null 2>&1; then return 0; fi
    if [ -d /run/systemd/system ]; then
        quietly systemctl start libvirtd
    else
        echo '    starting libvirtd'
        mkdir -p /run/libvirt
        start_daemon virtlogd "$(command -v virtlogd || echo /usr/sbin/virtlogd)"
        # Without udev, root alone may open /dev/kvm; libvirt then asks QEMU anew what it can do, for seconds, at each
        # step. Emulation needs no such file, so libvirt sees an empty one in its place.
        if [ "$virt_type" = qemu ] && [ -e /dev/kvm ] && [ "$(stat -c %G /dev/kvm)" != kvm ]; then
            : >"$STATE/no-kvm"
            # With a mount there, libvirt cannot give each guest a /dev of its own.
            (cat /etc/libvirt/qemu.conf && echo 'namespaces = []') >"$STATE/qemu.conf"
            start_daemon libvirtd unshare --mount sh -c '
                mount --bind "$1/no-kvm" /dev/kvm
                mount --bind "$1/qemu.conf" /etc/libvirt/qemu.conf
                shift; exec "$@"' sh "$STATE" "${reaped[@]}"
        else
            start_daemon libvirtd "${reaped[@]}"
        fi
    fi
    wait_until 30 virsh -q -c qemu:///system version >/dev/null 2>&1 ||
        fail "libvirtd does not answer; see $STATE/libvirtd.log"
}

# Run something in the background. $1: its name, for the pid file and the log; the rest: the command.
start_daemon() {
    local name=$1
    shift
    setsid "$@" >>"$STATE/$name.log" 2>&1 </dev/null &
    echo $! >"$STATE/$name.pid"
}

set_up_database() {
    local fresh
    [ ! -e "$STATE/complete" ] || return 0
    fresh=yes
    # A set-up that was interrupted goes on where it was.
    [ ! -e "$STATE/nova.sqlite" ] || fresh=
    manage db sync >/dev/null
    manage api_db sync >/dev/null
    manage cell_v2 simple_cell_setup >/dev/null
    make_flavor m1.tiny 1 128 1 1
    make_flavor m1.small 2 512 1 5
    make_flavor m1.medium 3 1024 2 10
    has network private ||
        manage network create --label private --cidr "$(cat "$STATE/network")" --bridge "$BRIDGE" >/dev/null
    if ! has image guest; then
        if [ "$driver" = libvirt ]; then
            manage image register --name guest --file "$TREE/.cache/guest/guest.qcow2" --disk-format qcow2 --public \
                >/dev/null
        else
            head -c 65536 /dev/zero >"$STATE/disk.raw"
            manage image register --name guest --file "$STATE/disk.raw" --disk-format raw --public >/dev/null
        fi
    fi
    touch "$STATE/complete"
}

# Whether there is an item of that name already. $1: category of nova-manage.
has() {
    [ -z "$fresh" ] && manage "$1" list | grep -qw "$2"
}

# name, id, MiB of memory, CPUs, GiB of disk
make_flavor() {
    has flavor "$1" || manage flavor create --name "$1" --id "$2" --ram "$3" --vcpus "$4" --disk "$5" >/dev/null
}

is_ready() {
    is_running nova-all || return 2
    health >/dev/null
}

start_service() {
    local since=$SECONDS
    if is_running nova-all; then
        echo '    it runs already'
    else
        ! is_listening 8774 || fail "something else listens on port 8774"
        start_daemon nova-all "$VENV/bin/nova-all" --config-file "$CONFIG"
    fi
    until is_ready; do
        is_running nova-all || {
            tail -q -n 8 "$STATE/nova-all.log" "$STATE/nova.log" >&2 || :
            fail "nova-all ended; see $STATE/nova.log"
        }
        [ $((SECONDS - since)) -lt 60 ] || fail "nova-all is not ready after a minute; see $STATE/nova.log"
        sleep 0.2
    done
    echo "    ready after $((SECONDS - since)) s, process $(cat "$STATE/nova-all.pid")"
}

# The first server -----------------------------------------------------------------------------------------------------

make_server() {
    local status
    client keypair show quickstart >/dev/null 2>&1 ||
        (umask 077 && client keypair create --private-key "$STATE/quickstart.pem" quickstart >/dev/null)
    status=$(client server show "$SERVER" -f value -c status 2>/dev/null || echo NONE)
    if [ "$status" = ERROR ]; then
        echo "    deleting the server $SERVER, which is in state ERROR"
        client server delete --wait "$SERVER"
        status=NONE
    fi
    case $status in
        NONE)
            client server create --flavor m1.tiny --image guest --network private --key-name quickstart --wait \
                "$SERVER" >/dev/null || {
                # What went wrong on the host is told to administrators only.
                cloud=nova-admin client server show "$(client server show "$SERVER" -f value -c id)" -f json -c fault |
                    "$VENV/bin/python" -c 'import json, sys
print(json.load(sys.stdin)["fault"]["details"].partition("\n")[0])' >&2 || :
                fail "the server was not built; more is in $STATE/nova.log"
            }
            ;;
        ACTIVE) ;;
        SHUTOFF)
            client server start "$SERVER"
            wait_until 60 is_active || fail "the server $SERVER does not start"
            ;;
        *) fail "the server $SERVER is in state $status; remove it and try again" ;;
    esac
}

is_active() {
    [ "$(client server show "$SERVER" -f value -c status)" = ACTIVE ]
}

# Whether the guest has said that it is up; what it said before it was last shut down does not count.
has_booted() {
    client console log show "$SERVER" 2>/dev/null >"$STATE/console.txt"
    awk '/GUEST: (kernel|down)/ {ready = 0} /GUEST: ready/ {ready = 1} END {exit !ready}' "$STATE/console.txt"
}

show_server() {
    client server show "$SERVER" --max-width 110 -c id -c name -c status -c addresses -c image -c key_name
    echo
    say 'the last lines of its console'
    tail -n 12 "$STATE/console.txt" | tr -d '\r'
    echo
    say "address: $(client server show "$SERVER" -f json -c addresses | "$VENV/bin/python" -c '
import json, sys
print(", ".join(sum(json.load(sys.stdin)["addresses"].values(), [])))')"
    cat <<TEXT

Go on with:

    . $VENV/bin/activate
    export OS_CLIENT_CONFIG_FILE=$STATE/clouds.yaml OS_CLOUD=nova
    openstack server list
    openstack console log show $SERVER
    openstack server create --image guest --flavor m1.tiny --network private --key-name quickstart --wait two
    openstack server resize --flavor m1.small --wait $SERVER
    openstack server resize confirm $SERVER
    openstack server stop $SERVER
    openstack server delete --wait two

    (as administrator: OS_CLOUD=nova-admin)

Log: $STATE/nova.log
Stop it: tools/quickstart.sh stop      Remove everything: tools/quickstart.sh clean
TEXT
}

start() {
    check_machine
    forget_other_clouds
    [ "$driver" = libvirt ] || STEPS=5
    if [ "$driver" = libvirt ]; then
        step "system packages"
        install_packages build compute network
    fi
    step "Python packages in $VENV"
    make_venv requirements.txt python-openstackclient
    if [ "$driver" = libvirt ]; then
        step "test guest"
        "$TREE/tools/guest-image" --output "$TREE/.cache/guest"
    fi
    step "configuration in $STATE"
    write_configuration
    if [ "$driver" = libvirt ]; then
        step "libvirt"
        start_libvirt
    fi
    step "database, flavors, network, image"
    set_up_database
    step "nova-all"
    start_service
    step "a server"
    make_server
    if [ "$driver" = libvirt ]; then
        echo '    waiting for the guest to boot'
        wait_until 120 has_booted ||
            fail "the guest does not say that it is ready; its console is in $STATE/console.txt"
    else
        has_booted || :
    fi
    echo
    show_server
}

# The way back ---------------------------------------------------------------------------------------------------------

# Names of libvirt's domains whose disks are ours.
our_domains() {
    local name
    command -v virsh >/dev/null || return 0
    for name in $(timeout 20 virsh -q -c qemu:///system list --all --name 2>/dev/null); do
        ! virsh -q -c qemu:///system dumpxml "$name" 2>/dev/null | grep -qF "$STATE/instances/" || echo "$name"
    done
}

# Ids of all servers, or of those in the state $1.
servers() {
    cloud=nova-admin client server list --all-projects ${1:+--status "$1"} -f value -c ID 2>/dev/null || :
}

stop_servers() {
    local id
    is_running nova-all || return 0
    for id in $(servers ACTIVE); do
        echo "    stopping server $id"
        cloud=nova-admin client server stop "$id" || :
    done
    for _ in $(seq 60); do
        [ -n "$(servers ACTIVE)" ] || break
        sleep 1
    done
}

stop() {
    [ -e "$STATE/driver" ] || { say "there is nothing in $STATE"; return 0; }
    forget_other_clouds
    say 'servers'
    stop_servers
    say 'nova-all'
    end_process nova-all 90
    take_down_network
    end_process libvirtd 20
    end_process virtlogd 20
}

# DHCP servers, packet filter and bridge: nova-network puts them there again when it starts.
take_down_network() {
    local file pid table
    [ "$driver" = libvirt ] && is_root || return 0
    for file in "$STATE"/networks/*.pid; do
        pid=$(cat "$file" 2>/dev/null) || continue
        ! grep -qs "$STATE" "/proc/$pid/cmdline" || kill "$pid" 2>/dev/null || :
        rm -f "$file"
    done
    # Only if there was a network of ours: another installation's tables have the same names.
    [ -d "$STATE/networks" ] || return 0
    nft list tables 2>/dev/null | while read -r _ family table; do
        case $table in nova_compute | nova_network) nft delete table "$family" "$table" ;; esac
    done
    ! ip link show "$BRIDGE" >/dev/null 2>&1 || ip link delete "$BRIDGE"
}

clean() {
    local name
    [ -e "$STATE" ] || { say "there is nothing in $STATE"; return 0; }
    # The name of a directory that somebody set by mistake must not cost its contents.
    [ -e "$STATE/driver" ] || [ -z "$(ls -A "$STATE")" ] || fail "$STATE is not a directory of this script; not removed"
    forget_other_clouds
    # Servers that were stopped are still defined in libvirt.
    [ "$driver" != libvirt ] || [ -z "$(ls "$STATE/instances" 2>/dev/null)" ] || start_libvirt
    if is_running nova-all; then
        say 'deleting servers'
        for name in $(servers); do
            echo "    deleting server $name"
            cloud=nova-admin client server delete --wait "$name" || :
        done
    fi
    say 'nova-all'
    end_process nova-all 90
    for name in $(our_domains); do
        say "removing what is left of $name"
        virsh -q -c qemu:///system destroy "$name" >/dev/null 2>&1 || :
        virsh -q -c qemu:///system undefine --nvram "$name" >/dev/null 2>&1 || :
    done
    take_down_network
    [ "$driver" != libvirt ] || put_switches_back
    end_process libvirtd 20
    end_process virtlogd 20
    rm -rf "$STATE"
    say "removed $STATE"
}

status() {
    local name
    for name in nova-all libvirtd virtlogd; do
        if is_running "$name"; then echo "$name: runs, process $(cat "$STATE/$name.pid")"; fi
    done
    if is_running nova-all; then
        health || echo 'the API does not say that it is healthy'
        echo
        forget_other_clouds
        cloud=nova-admin client server list --all-projects
    else
        echo "nova-all: does not run (set up: $(cat "$STATE/driver" 2>/dev/null || echo no))"
    fi
}

"$command"
