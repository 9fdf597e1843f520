#!/bin/sh
# The library for arm64, cross-built with Debian's compiler and run by qemu-user on the simulated GPU. Not run here: sandbox
# and memory, because qemu-user has neither the guest's seccomp filters nor its limits; leaving, because it cannot exec itself.
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

# lib.sh leaves its results beside itself: it gets a tree of its own, and this machine's library stays as it is.
mkdir -p "$work/tree"
(cd "$root" && tar cf - build/*.sh build/*.lds build/*.map go.mod go.sum $(ls -d */ | grep -v -e '^build/' -e '^testdata/' -e '^tests/')) |
    tar xf - -C "$work/tree"
"$work/tree/build/lib.sh"
cp "$work/tree/build/libvirglrenderer.so.1" "$lib"

strict="-std=gnu11 -O2 -g -Wall -Wextra -Wshadow -Werror -I$root/include -I$root/tests/sim -I$here"
$CC $strict -fPIC -shared -o "$work/libdrmsim.so" "$root"/tests/sim/*.c -ldl -lpthread
for program in faults signals stacks callbacks; do
    $CC $strict -o "$work/$program" "$here/$program.c" "$here/host.c" "$here/guest.c" -ldl -lpthread
done
for program in boot_fork boot_race boot_signals; do
    $CC $strict -o "$work/$program" "$root/tests/c/$program.c" -ldl -lpthread
done
# These are not run, but must compile for arm64 all the same.
for file in memory leaving; do
    $CC $strict -fsyntax-only "$here/$file.c"
done

failed=0
for program in boot_fork boot_race boot_signals faults signals stacks callbacks; do
    echo "== $program"
    qemu-aarch64 -L "$work/root" -E LD_PRELOAD="$work/libdrmsim.so" -E DRMSIM_PRIORITIES=12 -E VIRGLDRM_CRASH_ON_PANIC=1 \
        "$work/$program" "$lib" || failed=$((failed + 1))
done
echo "$failed programs failed"
[ "$failed" -eq 0 ]
