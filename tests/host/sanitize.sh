#!/bin/sh
# The library under three tools: Go's race detector, Go's check of pointers that cross to C, and valgrind.
# BUILD_DIR has libvirglrenderer.so.1, libdrmsim.so, abi and replay.
set -eu

[ $# -eq 1 ] || { echo "usage: tests/host/sanitize.sh BUILD_DIR" >&2; exit 2; }
cd "$(dirname "$0")/../.."
build=$(cd "$1" && pwd)
here=tests/host
work=$build/sanitize
lib=libvirglrenderer.so.1
recordings="turnip-vulkaninfo turnip-vktest caps console"
asahi=testdata/recordings/asahi-vulkaninfo-vktest.vrec.xz
mkdir -p "$work"
strict="-std=gnu11 -O2 -g -Wall -Wextra -Wshadow -Werror -Iinclude -Itests/sim"

failed=0
on_sim() { env LD_PRELOAD="$build/libdrmsim.so" VIRGLDRM_CRASH_ON_PANIC=1 VIRGLDRM_DELEGATE=none "$@"; }
check() { # WHAT COMMAND...: lines that begin with == are reports, whatever becomes of the process they are about
    what=$1; shift
    if on_sim "$@" >"$work/log" 2>&1 && ! grep -q '^==' "$work/log"; then
        echo "PASS $what: $(grep -v '^$' "$work/log" | tail -n 1)"
    else
        cat "$work/log"
        echo "FAIL $what"
        failed=$((failed + 1))
    fi
}
replays() { for name in $recordings; do echo "testdata/recordings/$name.vrec.xz"; done; }

# Races between Go code on any threads. The first report ends the process, for the cases of the C API end without exit
# handlers. The other programs load by name, and "" is the program itself.
RACE=on OUT="$work" build/lib.sh
link_race() { # PROGRAM OPTION...
    program=$1; shift
    ${CC:-gcc} $strict -no-pie -rdynamic -o "$work/$program-race" "$@" -Wl,--whole-archive "$work/libvirglrenderer.a" \
        -Wl,--no-whole-archive -Wl,-T,build/defer.lds -Wl,--wrap=pthread_getattr_np -ldrm -ldl -lpthread
}
link_race abi -DABI_LINKED tests/c/abi*.c tests/c/harness.c
for program in callbacks memory; do
    link_race $program -I$here $here/$program.c $here/host.c $here/guest.c
done
export GORACE=halt_on_error=1
check "race detector, every case of the C API" env DRMSIM_GPU_US=300 "$work/abi-race"
check "race detector, callbacks that call, destroy and clean up" env DRMSIM_PRIORITIES=12 "$work/callbacks-race" ""
check "race detector, eight threads" "$work/memory-race" "" "many busy callers"

# Go pointers that C may not keep.
GOEXPERIMENT=cgocheck2 OUT="$work/cgocheck" build/lib.sh
check "cgocheck2, every case of the C API" env DRMSIM_GPU_US=300 "$build/abi" --lib "$work/cgocheck/$lib"
check "cgocheck2, recordings" env DRMSIM_GPU_US=300 "$build/replay" --lib "$work/cgocheck/$lib" $(replays)
check "cgocheck2, asahi's recording" env DRMSIM_DRIVER=asahi DRMSIM_GPU_US=300 "$build/replay" --lib "$work/cgocheck/$lib" $asahi

# Memory that C, and Go for C, gets wrong. The replayer's own leaks are its own.
${CC:-gcc} $strict -I$here -o "$work/callbacks" $here/callbacks.c $here/host.c $here/guest.c -ldl -lpthread
memcheck="valgrind -q --error-exitcode=9 --fair-sched=yes --suppressions=$here/valgrind.supp
    --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite"
check "valgrind, recordings" env DRMSIM_GPU_US=300 $memcheck "$build/replay" --lib "$build/$lib" $(replays)
check "valgrind, asahi's recording" env DRMSIM_DRIVER=asahi DRMSIM_GPU_US=300 $memcheck "$build/replay" --lib "$build/$lib" $asahi
for cases in "callbacks" "a callback"; do # all but the one that has to be in time
    check "valgrind, $cases" env DRMSIM_PRIORITIES=12 $memcheck "$work/callbacks" "$build/$lib" "$cases"
done

echo "$failed failed"
[ "$failed" -eq 0 ]
