#!/bin/sh
# fuzz.sh TIME PACKAGE:TARGET...: runs Go fuzzers one after another.
# Go reports the end of the time as a failure now and then: "context deadline exceeded" and no failing input. That is none.
set -u
time=$1
shift
log=$(mktemp)
trap 'rm -f "$log"' EXIT
trap 'exit 1' HUP INT TERM
for f in "$@"; do
    echo "== $f"
    if go test "./${f%:*}" -run='^$' -fuzz="^${f#*:}\$" -fuzztime="$time" >"$log" 2>&1 &&
        ! grep -q 'no fuzz tests to fuzz' "$log"; then
        tail -n 4 "$log"
        continue
    fi
    if grep -qx ' *context deadline exceeded' "$log" && ! grep -qE 'Failing input|panic|_test\.go' "$log"; then
        grep '^fuzz: ' "$log" | tail -n 1
        echo "the time was up; Go calls it: context deadline exceeded"
        continue
    fi
    cat "$log"
    exit 1
done
