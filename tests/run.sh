#!/bin/sh
# run.sh CHECK...: runs `make CHECK` for each and ends with a summary. Output of
# a check that passes is kept in build/logs/, but for what it leaves out; of one
# that fails it is shown.
set -u
cd "$(dirname "$0")/.."
mkdir -p build/logs
passed=0 failed=0
for check in "$@"; do
    log=build/logs/$check.log
    start=$(date +%s)
    if ${MAKE:-make} --no-print-directory "$check" >"$log" 2>&1; then
        result=PASS passed=$((passed + 1))
    else
        result=FAIL failed=$((failed + 1))
        cat "$log"
    fi
    # What a check that passes leaves out is said here as well.
    [ $result = FAIL ] || sed -n '/DID NOT RUN\|NOT TESTED/s/^ */     /p' "$log"
    printf '%s %-10s %4d s   %s\n' "$result" "$check" $(($(date +%s) - start)) "$(grep -v '^make' "$log" | tail -n 1)"
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
