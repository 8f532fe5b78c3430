#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
set -u
usage() {
    cat <<'TEXT'
Usage: tools/run_tests.sh [--venv DIR] [STAGE...] [-- PYTEST ARGUMENTS]

Runs what CI runs. Stages; all of them if none is named:

  lint         ruff, tools/check_imports.py, generated samples, shell syntax
  docs         the documentation, warnings are errors
  unit         nova/tests/unit
  functional   nova/tests/functional: all services with SQLite and the fake driver; then tools/api_coverage says which
               documented operation no test has used
  integration  nova/tests/integration: real RabbitMQ, MariaDB, PostgreSQL, libvirt and QEMU guests

Tests run in NOVA_TEST_WORKERS processes (4: they wait as much as they compute), one stage after the other; but no process
waits for the end of a stage.

Installs the system packages that are missing (needs root for that), makes or updates the virtual environment (.venv,
or --venv DIR), starts the servers that integration tests need unless they run, and builds the test guest once.
Ends with the time of each stage and how many tests passed; the status is 0 only if all went well. What was skipped and
should not have been is a failure (tools/lib/allowed_skips.txt; in CI, with CI=true, nothing may be skipped).
TEXT
}

. "$(dirname "${BASH_SOURCE[0]}")/lib/setup.sh"
. "$TREE/tools/lib/services.sh"
cd "$TREE" || exit 1

ALL='lint docs unit functional integration'
stages=()
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) usage; exit 0 ;;
        --venv) VENV=$2; shift ;;
        lint | unit | functional | integration | docs) stages+=("$1") ;;
        all) read -ra stages <<<"$ALL" ;;
        --) shift; break ;;
        *) usage >&2; fail "no such stage: $1" ;;
    esac
    shift
done
[ ${#stages[@]} -gt 0 ] || read -ra stages <<<"$ALL"
pytest_arguments=("$@")
REPORTS=$TREE/.cache/test-reports
COVERAGE=$REPORTS/api_coverage.txt      # which operations of the API the tests used
BEFORE=$REPORTS/before-integration.json # what was on this machine
# The tests start Python a thousand times.  Compiling our modules each time takes half as long as all else that a daemon
# does until it is ready; and of the packages' modules most are never used.
unset PYTHONDONTWRITEBYTECODE
export PIP_NO_COMPILE=1
mkdir -p "$REPORTS"

wants() {
    case " ${stages[*]} " in *" $1 "*) return 0 ;; *) return 1 ;; esac
}

setup() {
    local profiles='build' guest=
    ! wants unit || profiles='build compute'
    ! wants integration || profiles='build compute network test'
    # shellcheck disable=SC2086
    [ -z "$(missing_packages $profiles)" ] || ! is_root || install_packages $profiles
    # shellcheck disable=SC2086
    ! wants integration || install_packages $profiles
    # pip uses one processor and the network; another makes the guest meanwhile.
    ! wants integration || { tools/guest-image & guest=$!; }
    make_venv requirements.txt test-requirements.txt
    # What the quickstart wants is among it; its test must not install anything while others run.
    grep -qsxF "$(stamp_of requirements.txt python-openstackclient)" "$VENV/.made-from" ||
        stamp_of requirements.txt python-openstackclient >>"$VENV/.made-from"
    # By one process, before many need them at the same time.
    "$VENV/bin/python" -m compileall -q nova tools || fail 'there is a module that does not compile'
    wants integration || return 0
    start_mariadb
    start_postgresql
    start_rabbitmq
    wait "$guest" || fail 'the test guest cannot be built'
}

stage_lint() {
    local status=0 script
    "$VENV/bin/ruff" check nova tools setup.py tools/guest-image tools/api_coverage || status=1
    "$VENV/bin/python" tools/check_imports.py || status=1
    tools/gen_samples.sh --check --venv "$VENV" config policy || status=1
    for script in tools/*.sh tools/lib/*.sh .ci/run tools/guest/init tools/guest/bin/*; do
        bash -n "$script" || status=1
        [[ $script == */lib/* || $script == *-lib || -x $script ]] || { echo "$script: no run bit"; status=1; }
    done
    return $status
}

# Run the tests of some stages, all in one queue; how each went is in $REPORTS/STAGE/result.
run_together() {
    rm -f "$COVERAGE" "$REPORTS"/*/result
    ! wants integration || "$VENV/bin/python" tools/lib/leaks.py snapshot "$BEFORE" || return 1
    NOVA_API_COVERAGE=$COVERAGE "$VENV/bin/python" tools/lib/parallel_tests.py "$@" --reports "$REPORTS" \
        --processes "${NOVA_TEST_WORKERS:-4}" -- "${pytest_arguments[@]}"
}

# Whether nothing was skipped that must not be.
check_skips() {
    "$VENV/bin/python" tools/lib/skips.py check tools/lib/allowed_skips.txt "$REPORTS/$1"/*.xml
}

check_unit() {
    check_skips unit
}

# Whether the tests have used every documented operation at every version that changes it.
check_functional() {
    check_skips functional || return 1
    # A part of the tests covers a part of the API.
    [ ${#pytest_arguments[@]} -gt 0 ] || "$VENV/bin/python" -W ignore tools/api_coverage --tests "$COVERAGE"
}

# Whether the tests have left nothing on this machine.
check_integration() {
    local status=0
    check_skips integration || status=1
    "$VENV/bin/python" tools/lib/leaks.py compare "$BEFORE" || status=1
    return $status
}

stage_docs() {
    local builder
    if [ ! -e doc/source/conf.py ]; then
        echo 'doc/source is missing'
        return 1
    fi
    for builder in html man; do
        "$VENV/bin/python" -m sphinx -W --keep-going -q -b $builder -d doc/build/doctrees doc/source \
            doc/build/$builder || return 1
    done
    echo 'doc/build/html, doc/build/man'
}

# Remember how a stage went: its name, how long it took, passed or FAILED.
note() {
    results+=("$(printf '%-12s %5d s  %s' "$@")")
    [ "$3" != FAILED ] || status=1
}

results=()
status=0
began=$SECONDS
setup
note setup $((SECONDS - began)) done
tests=()
for stage in unit functional integration; do
    ! wants "$stage" || tests+=("$stage")
done
for stage in lint docs; do
    wants "$stage" || continue
    say "$stage"
    since=$SECONDS
    if "stage_$stage"; then outcome=passed; else outcome=FAILED; fi
    note "$stage" $((SECONDS - since)) $outcome
done
if [ ${#tests[@]} -gt 0 ]; then
    say "${tests[*]}"
    run_together "${tests[@]}"
    for stage in "${tests[@]}"; do
        read -r outcome took <"$REPORTS/$stage/result" || outcome=FAILED took=0
        "check_$stage" || outcome=FAILED
        note "$stage" "$took" "$outcome"
    done
fi
echo
say 'summary'
printf '%s\n' "${results[@]}" "$(printf '%-12s %5d s' total $((SECONDS - began)))"
"$VENV/bin/python" tools/lib/skips.py count "$REPORTS" "${tests[@]}"
exit $status
