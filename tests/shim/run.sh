#!/bin/sh
# Probes the built library on a simulated Adreno: Mesa's libfreedreno_noop_drm_shim.so plays /dev/dri/renderD128.
# usage: tests/shim/run.sh BUILD_DIR [GPU_ID...]     environment: SHIM_SUITE, the Debian suite the device comes from
# Exit: 0 every probe passed, 1 one failed, 3 not possible here (no network to fetch the device, and none cached).
set -eu

[ $# -ge 1 ] || { echo "usage: tests/shim/run.sh BUILD_DIR [GPU_ID...]" >&2; exit 2; }
root=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "$1" && pwd); shift
[ $# -gt 0 ] || set -- 660 702 # the second has a chip id of more than 32 bits
lib=$build/libvirglrenderer.so.1
[ -f "$lib" ] || { echo "run.sh: $lib is missing; build it with build/lib.sh" >&2; exit 1; }

suite=${SHIM_SUITE:-forky}
tree=$build/shim-$suite
"$root/build/fetch.sh" --deps "$suite" "$tree" mesa-drm-shim

cc=${CC:-cc}
"$cc" -std=gnu11 -O2 -Wall -Wextra -Wshadow -Werror -I"$root/include" -o "$build/shim-probe" "$root/tests/shim/probe.c"

# The shim needs the C library of its own suite, so the probe runs under that suite's loader. No root, no chroot.
shim=$(find "$tree/usr/lib" -name libfreedreno_noop_drm_shim.so)
[ -n "$shim" ] || { echo "run.sh: $suite has no freedreno shim for this machine; set SHIM_SUITE" >&2; exit 1; }
libs=$(dirname "$shim")
loader=$(find "$tree/usr/lib" "$tree/usr/lib64" -name 'ld-linux*.so.*' | head -n 1)
failed=0
for gpu in "$@"; do
    echo "== $suite $(basename "$libs"), Adreno $gpu"
    FD_GPU_ID=$gpu timeout 60 "$loader" --library-path "$libs" --preload "$shim" "$build/shim-probe" "$lib" || failed=1
done
exit $failed
