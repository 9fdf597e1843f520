#!/bin/sh
# run.sh [SCENARIO...]: the scenarios of scenarios.sh, each with a virtual machine of its own; all of them by default.
#   LIB=FILE    another libvirglrenderer.so.1
# Logs of each are in build/e2e/SCENARIO: guest.log is the serial line, qemu.log QEMU and the library.
set -eu
. "$(dirname "$0")/lib.sh"
. "$here/machine.sh"
. "$here/scenarios.sh"
. "$here/scenarios_gl.sh"
all="$all $all_gl"

function_of() { echo "s_$1" | tr - _; }
# shellcheck disable=SC2086
[ $# -gt 0 ] || set -- $all
for name in "$@"; do
    command -v "$(function_of "$name")" >/dev/null || die "no scenario $name; there are:" $all
done
if [ -z "${E2E_INSIDE:-}" ]; then
    "$here/make.sh"
    in_namespace "$@"
fi

prepare_host "${LIB:-$root/build/libvirglrenderer.so.1}"

# Everything a scenario started must have ended with it; what has not is named. Only this script is still there then.
leftovers() {
    _left=
    for comm in /proc/[0-9]*/comm; do
        read -r process <"$comm" || continue
        [ "$process" = run.sh ] || _left="$_left $process"
    done 2>/dev/null
}

# end_scenario: nothing of one that stopped half-way may meet the next one.
end_scenario() {
    set +e
    leftovers
    [ -z "$_left" ] || [ -s "$out/reason" ] || echo "this was left running:$_left" >"$out/reason"
    for _pid in ${watcher:-} ${vm:-} ${xserver:-}; do
        kill -9 "$_pid"
        while [ -e "/proc/$_pid" ]; do
            wait "$_pid" || sleep 0.05 # a daemon is not ours to wait for
        done
    done 2>/dev/null
}

passed=0 failed=0
for name in "$@"; do
    out "$logs/$name"
    start=$(date +%s)
    set +e # or the scenario would not stop at its first failure
    (
        set -e
        trap end_scenario EXIT
        "$(function_of "$name")"
    ) >"$out/run.log" 2>&1
    rc=$?
    set -e
    took=$(($(date +%s) - start))
    if [ $rc -eq 0 ] && [ ! -s "$out/reason" ]; then
        passed=$((passed + 1))
        echo "PASS $name $took s"
        [ ! -s "$out/notes" ] || sed 's/^/       /' "$out/notes"
    else
        failed=$((failed + 1))
        echo "FAIL $name $(cat "$out/reason" 2>/dev/null || echo "the scenario stopped with $rc: $(tail -n 1 "$out/run.log")") (logs: $out)"
    fi
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
