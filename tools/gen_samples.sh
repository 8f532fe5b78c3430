#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
set -eu
usage() {
    cat <<'TEXT'
Usage: tools/gen_samples.sh [--check] [--venv DIR] [config] [policy] [openapi]

Writes what is generated from the source, or with --check only says whether it is as it should be:

  config   etc/nova/nova.conf.sample, every option with its help
  policy   etc/nova/policy.yaml.sample, every rule with what it guards
  openapi  doc/source/reference/openapi.json, the REST API

All if none is named (the last one where nova-manage has `api openapi`).
TEXT
}

. "$(dirname "${BASH_SOURCE[0]}")/lib/setup.sh"
cd "$TREE"

check=
wanted=()
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) usage; exit 0 ;;
        --check) check=yes ;;
        --venv) VENV=$2; shift ;;
        config | policy | openapi) wanted+=("$1") ;;
        *) usage >&2; fail "no such sample: $1" ;;
    esac
    shift
done
[ -x "$VENV/bin/nova-manage" ] || make_venv requirements.txt test-requirements.txt
if [ ${#wanted[@]} -eq 0 ]; then
    wanted=(config policy)
    ! "$VENV/bin/nova-manage" api --help | grep -qw openapi || wanted+=(openapi)
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The part of a configuration sample that comes from us. Help texts of libraries change with their releases.
ours() {
    awk '/^# From / { ours = ($3 == "nova") } /^\[/ { print } ours' "$1"
}

# Put a new file where it belongs, or compare. $1: the file, $2: what it should be.
settle() {
    if [ -n "$check" ]; then
        case $1 in
            *.conf.sample) diff -u <(ours "$1") <(ours "$2") ;;
            *) diff -u "$1" "$2" ;;
        esac || fail "$1 is out of date: run tools/gen_samples.sh"
    else
        mkdir -p "$(dirname "$1")"
        cp "$2" "$1"
    fi
    say "$1: $(wc -l <"$1") lines"
}

make_config() {
    quietly "$VENV/bin/oslo-config-generator" --config-file etc/nova/nova-config-generator.conf \
        --output-file "$work/nova.conf"
    settle etc/nova/nova.conf.sample "$work/nova.conf"
}

make_policy() {
    quietly "$VENV/bin/oslopolicy-sample-generator" --config-file etc/nova/nova-policy-generator.conf \
        --output-file "$work/policy.yaml"
    settle etc/nova/policy.yaml.sample "$work/policy.yaml"
}

make_openapi() {
    "$VENV/bin/nova-manage" api openapi >"$work/openapi.json"
    settle doc/source/reference/openapi.json "$work/openapi.json"
}

for sample in "${wanted[@]}"; do
    "make_$sample"
done
