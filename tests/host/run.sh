#!/bin/sh
# Is the library a good guest in any VMM? Builds the programs of this directory and runs them on the simulated GPU, then
# shows that a library from plain `go build` fails them. BUILD_DIR has libvirglrenderer.so.1 and libdrmsim.so.
# Environment: OVERLAY=off if the library was built so: what docs/sandbox.md says of that must then be true, and no more.
set -eu

[ $# -eq 1 ] || { echo "usage: tests/host/run.sh BUILD_DIR" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
root=$here/../..
build=$(cd "$1" && pwd)
lib=$build/libvirglrenderer.so.1
for file in "$lib" "$build/libdrmsim.so"; do
    [ -r "$file" ] || { echo "run.sh: $file is missing: run \`make lib sim\`" >&2; exit 2; }
done

log=$(mktemp)
trap 'rm -f "$log"' EXIT
trap 'exit 1' HUP INT TERM
passed=0 failed=0
export OVERLAY="${OVERLAY:-on}" # host-boot_signals wants to know, too

compile() { # PROGRAM SOURCE...: OUT is host-PROGRAM
    program=$1; shift
    ${CC:-gcc} -std=gnu11 -O2 -g -Wall -Wextra -Wshadow -Werror -I"$root/include" -I"$root/tests/sim" -I"$here" \
        -o "$build/host-$program" "$@" -ldl -lpthread
}
# Nothing of the caller's environment may change what a case sees.
clean() {
    env -u DRMSIM_GPU_US -u VIRGL_LOG_LEVEL -u VIRGL_LOG_FILE -u VIRGL_DISABLE_MT -u VIRGLDRM_GODEBUG -u VIRGLDRM_RENDER_NODE \
        DRMSIM_PRIORITIES=12 VIRGLDRM_CRASH_ON_PANIC=1 VIRGLDRM_DELEGATE=none LD_PRELOAD="$build/libdrmsim.so" "$@"
}
# run PROGRAM [ARGUMENT]: shows its lines and counts them.
run() {
    echo "== $1"
    status=0
    clean "$build/host-$1" "$lib" ${2:+"$2"} >"$log" 2>&1 || status=$?
    if [ "$OVERLAY" = off ] && [ "$1" = sandbox ]; then
        sed -i -e 's/^PASS \(crosvm.*\)/FAIL should die without the overlay: \1/' \
            -e '/died of signal 31/{n;s/^FAIL \(crosvm.*\)/PASS dies without the overlay: \1/;}' "$log"
        [ $status -ne 1 ] || status=0
    fi
    cat "$log"
    good=$(grep -c '^PASS ' "$log" || :) bad=$(grep -c '^FAIL ' "$log" || :)
    if [ $status -ne 0 ] && [ "$bad" -eq 0 ] || [ "$good" -eq 0 ] && [ "$bad" -eq 0 ]; then
        echo "FAIL $1 ended with status $status"
        bad=1
    fi
    passed=$((passed + good)) failed=$((failed + bad))
}
# must_fail LIB LINE PROGRAM [ARGUMENT]: with that library the line is among the failures.
must_fail() {
    other=$1 line=$2; shift 2
    clean timeout -s KILL "${patience:-70}" "$build/host-$1" "$other" ${2:+"$2"} >"$log" 2>&1 || :
    if grep -q "^FAIL .*$line" "$log"; then
        echo "PASS fails with it: $1, $line"
        passed=$((passed + 1))
    else
        cat "$log"
        echo "FAIL should fail with it: $1, $line"
        failed=$((failed + 1))
    fi
}

for program in faults signals stacks memory leaving callbacks; do
    compile $program "$here/$program.c" "$here/host.c" "$here/guest.c"
done
compile sandbox "$here/sandbox.c" "$here/jail.c" "$here/jail_explain.c" "$here/host.c" "$here/guest.c" -lseccomp
compile boot_fork "$root/tests/c/boot_fork.c"
compile boot_signals "$root/tests/c/boot_signals.c"
CGO_ENABLED=1 go build -buildmode=c-shared -o "$build/host-other.so" "$here/testdata/other.go"

# The jail that allows what docs/sandbox.md admits: the names in the first column of its tables.
sed "$([ "$OVERLAY" = off ] || echo '/^## Without the overlay/,/^## /d')" "$root/docs/sandbox.md" |
    sed -n 's/^| \(`[^|]*\)|.*/\1/p' | grep -o '`[a-z0-9_]*`' | tr -d '`' | sort -u >"$build/host-calls"

run sandbox "$build/host-calls"
for program in faults signals stacks memory leaving callbacks; do
    run $program
done
if [ "$OVERLAY" = off ]; then
    echo "== what the overlay is for, besides crosvm's policy"
    OVERLAY=on must_fail "$lib" "the library's threads block the host's signals" boot_signals
else
    echo "== what these cases are worth: a library from plain go build"
    stock=$build/host-stock.so
    "$here/stock.sh" "$stock"
    patience=15 must_fail "$stock" "loading starts no thread" boot_fork # and then hangs
    must_fail "$stock" "the library's threads block the host's signals" boot_signals
    must_fail "$stock" "handlers and masks stay" signals handlers
    must_fail "$stock" "crosvm's GPU policy, in force when the library is loaded" sandbox "$build/host-calls"
    must_fail "$stock" "QEMU's -sandbox" sandbox "$build/host-calls"
    must_fail "$stock" "coroutines of 1 MiB" stacks "1 MiB"
fi

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
