#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Usage: tools/neighbours/stop.sh [--dir DIR]     Stop what start.sh started, by its pid files; files stay.
set -eu
DIR=$(cd "$(dirname "$0")/../.." && pwd)/.cache/neighbours/run
if [ "${1:-}" = --dir ]; then DIR=$2; fi
for file in "$DIR"/*.pid; do
    [ -f "$file" ] || continue
    pid=$(cat "$file")
    # The number may belong to somebody else by now: only our server is ended.
    if { tr "\0" " " < "/proc/$pid/cmdline"; } 2>/dev/null | grep -qE 'neighbours/(serve|block_storage)\.py'; then
        kill "$pid" 2>/dev/null || true
        for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
    fi
    rm -f "$file"
done
