# SPDX-License-Identifier: Apache-2.0
# What quickstart.sh and run_tests.sh share: words, system packages, the virtual environment.  Sourced, never run.
# shellcheck shell=bash

TREE=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
VENV=${NOVA_VENV:-$TREE/.venv}

say() {
    printf '%s\n' "==> $*"
}

fail() {
    printf '%s\n' "$(basename "$0"): $*" >&2
    exit 1
}

is_root() {
    [ "$(id -u)" = 0 ]
}

# Run a command quietly: what it says is shown only if it fails.
quietly() {
    local output
    if ! output=$("$@" 2>&1); then
        printf '%s\n' "$output" >&2
        printf '%s\n' "failed: $*" >&2
        return 1
    fi
}

# Names of the packages of some profiles of bindep.txt.
packages_of() {
    awk -v wanted=" $* " '
        /^[^#]/ {
            match($0, /\[.*\]/)
            split(substr($0, RSTART + 1, RLENGTH - 2), profiles, " ")
            for (i in profiles) if (index(wanted, " " profiles[i] " ")) { print $1; next }
        }' "$TREE/bindep.txt"
}

# Those of them that are not installed.
missing_packages() {
    local name
    for name in $(packages_of "$@"); do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || printf '%s ' "$name"
    done
}

# Install what some profiles of bindep.txt name and is not there.
install_packages() {
    local missing
    command -v dpkg-query >/dev/null || fail "this is not Debian; install by hand what bindep.txt names for: $*"
    missing=$(missing_packages "$@")
    [ -n "$missing" ] || return 0
    is_root || fail "missing packages; as root: apt-get install $missing"
    say "installing $missing"
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086
    quietly apt-get install -y -q --no-install-recommends $missing 2>/dev/null && return 0
    quietly apt-get update -q
    # shellcheck disable=SC2086
    quietly apt-get install -y -q --no-install-recommends $missing
}

# What a virtual environment is made from, as one line.
stamp_of() {
    printf '%s %s\n' "$(cd "$TREE" && cat requirements.txt test-requirements.txt setup.cfg | sha256sum | cut -c1-16)" "$*"
}

# Install Python packages into a virtual environment $1: uv takes a tenth of the time that pip does.  It knows nothing of
# pip's configuration but what it is told here; where it is not to be had, or cannot do it, pip does.
install_python() {
    local venv=$1 index
    shift
    index=$("$venv/bin/pip" config get global.index-url 2>/dev/null) || index=${PIP_INDEX_URL:-}
    "$venv/bin/pip" install -q --disable-pip-version-check 'uv<1' >/dev/null 2>&1 &&
        UV_DEFAULT_INDEX=${UV_DEFAULT_INDEX:-$index} SSL_CERT_FILE=${SSL_CERT_FILE:-${PIP_CERT:-}} \
            "$venv/bin/uv" pip install -q --python "$venv/bin/python" "$@" >/dev/null 2>&1 && return 0
    quietly "$venv/bin/pip" install -q --disable-pip-version-check "$@"
}

# Make the virtual environment, or bring it up to date if what it is made from has changed.
# Arguments: requirement files, and names of further packages.
make_venv() {
    local stamp file arguments=() binding=()
    stamp=$(stamp_of "$@")
    if [ -x "$VENV/bin/python" ] && grep -qsxF "$stamp" "$VENV/.made-from" && "$VENV/bin/python" -c 'import nova' \
        2>/dev/null; then
        return 0
    fi
    [ -x "$VENV/bin/python" ] || {
        say "making the virtual environment $VENV"
        quietly "${PYTHON:-python3}" -m venv "$VENV" || fail 'cannot make it (Debian: apt-get install python3-venv)'
    }
    for file in "$@"; do
        if [ -e "$TREE/$file" ]; then arguments+=(-r "$TREE/$file"); else arguments+=("$file"); fi
    done
    # The binding is built against the libvirt of this machine, and one that is newer does not compile.
    if pkg-config --exists libvirt 2>/dev/null; then
        binding=("libvirt-python==$(pkg-config --modversion libvirt)")
        "$VENV/bin/python" -c 'import libvirt' 2>/dev/null && binding=()
    fi
    say "installing Python packages (a minute or two, the first time)"
    install_python "$VENV" setuptools wheel "${arguments[@]}" "${binding[@]}" || fail 'cannot install them'
    # pbr asks git for the version; where there is none (a tarball), it has to be told.
    git -C "$TREE" rev-parse HEAD >/dev/null 2>&1 || export PBR_VERSION=1.0.0
    quietly "$VENV/bin/pip" install -q --disable-pip-version-check --no-deps --no-build-isolation -e "$TREE" ||
        fail 'cannot install nova itself'
    printf '%s\n' "$stamp" >>"$VENV/.made-from"
}

# Whether something listens on a TCP port of this machine's loopback.
is_listening() {
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# Wait up to $1 seconds until the rest, a command, succeeds.
wait_until() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.3
    done
}
