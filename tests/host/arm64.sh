#!/bin/sh
# The library for arm64, cross-built with Debian's compiler and run by qemu-user on the simulated GPU: the harness of the C
# API, the recordings, the simulator's selftest, and what makes the library at home in a VMM.
set -eu

[ $# -eq 1 ] || { echo "usage: tests/host/arm64.sh BUILD_DIR" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
mkdir -p "$1"
build=$(cd "$1" && pwd)
work=$build/host-arm64
lib=$work/libvirglrenderer.so.1

"$root/build/deps.sh" gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user
. /etc/os-release
"$root/build/fetch.sh" --deps --arch arm64 "$VERSION_CODENAME" "$work/root" libc6 libdrm-dev

export CC=aarch64-linux-gnu-gcc GOARCH=arm64 PKG_CONFIG_SYSROOT_DIR="$work/root" PKG_CONFIG_LIBDIR="$work/root/usr/lib/aarch64-linux-gnu/pkgconfig"

OUT="$work" "$root/build/lib.sh"

strict="-std=gnu11 -O2 -g -Wall -Wextra -Wshadow -Werror -I$root/include -I$root/tests/sim -I$here"
$CC $strict -fPIC -shared -o "$work/libdrmsim.so" "$root"/tests/sim/*.c -ldl -lpthread
$CC $strict -fPIC -shared -o "$work/exec.so" "$here/arm64_exec.c"
for program in faults signals stacks leaving callbacks; do
    $CC $strict -o "$work/$program" "$here/$program.c" "$here/host.c" "$here/guest.c" -ldl -lpthread
done
for program in boot_fork boot_race boot_signals; do
    $CC $strict -o "$work/$program" "$root/tests/c/$program.c" -ldl -lpthread
done
$CC $strict -o "$work/abi" "$root"/tests/c/abi*.c "$root/tests/c/harness.c" -ldl -lpthread
$CC $strict -o "$work/replay" "$root"/tests/c/replay*.c "$root/tests/c/vrec.c" -ldl -lpthread
$CC $strict -o "$work/selftest" "$root"/tests/sim/selftest/*.c -ldl -lpthread
CGO_ENABLED=1 go build -buildmode=c-shared -o "$work/host-other.so" "$here/testdata/other.go"
# Not run, but it must compile for arm64 all the same.
$CC $strict -fsyntax-only "$here/memory.c"

log=$(mktemp)
trap 'rm -f "$log"' EXIT
trap 'exit 1' HUP INT TERM
failed=0
emulate() { # [NAME=VALUE...] PROGRAM [ARGUMENT...]
    set=
    while case $1 in *=*) ;; *) false ;; esac; do set="$set -E $1"; shift; done
    program=$1; shift
    QEMU_LD_PREFIX="$work/root" ARM64_EMULATOR=$(command -v qemu-aarch64) ARM64_PROGRAM="$work/$program" \
        qemu-aarch64 -E LD_PRELOAD="$work/libdrmsim.so:$work/exec.so" -E VIRGLDRM_CRASH_ON_PANIC=1 -E VIRGLDRM_DELEGATE=none $set "$work/$program" "$@"
}
# Sometimes the emulator fails an assertion of its own, mostly in a forked child: that says nothing about us.
emulator_failed() { grep -q '^ERROR:.*/.*\.c:[0-9]*:.* assertion failed' "$log"; }
check() {
    echo "== $*"
    for attempt in 1 2 3; do
        if emulate "$@" >"$log" 2>&1; then
            cat "$log"
            return
        fi
        emulator_failed || break
        echo "the emulator failed in attempt $attempt: $(grep -m 1 'assertion failed' "$log")"
    done
    cat "$log"
    failed=$((failed + 1))
}
for program in boot_fork boot_race boot_signals faults signals stacks leaving callbacks; do
    check DRMSIM_PRIORITIES=12 $program "$lib"
done
check DRMSIM_GPU_US=300 abi --lib "$lib"
for name in turnip-vulkaninfo turnip-vktest caps console; do
    check DRMSIM_GPU_US=300 replay --lib "$lib" "$root/testdata/recordings/$name.vrec.xz"
done
check DRMSIM_DRIVER=asahi DRMSIM_GPU_US=300 replay --lib "$lib" "$root/testdata/recordings/asahi-vulkaninfo-vktest.vrec.xz"

# The emulator answers an ioctl by itself if it does not know it, with another error than the kernel: five cases see that.
echo "== selftest"
known="dispatch by number,fences of dma-bufs,file info,open variants,other fds pass through"
emulate selftest >"$log" 2>&1 || :
! emulator_failed || sed -i '/^FAIL fork$/d' "$log"
if [ "$(sed -n 's/^FAIL //p' "$log" | LC_ALL=C sort | paste -sd,)" = "$known" ]; then
    echo "PASS the simulator's selftest, $(grep -c '^PASS' "$log") cases; the emulator fails: $known"
else
    cat "$log"
    failed=$((failed + 1))
fi
echo "qemu-user cannot show: sandbox (no seccomp filters of the guest), memory (its limits are the emulator's)"
echo "$failed programs failed"
[ "$failed" -eq 0 ]
