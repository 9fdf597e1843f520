#!/bin/sh
# coverage.sh BUILD_DIR PROFILE: what the C harnesses run of the library's Go code, added to the profile of the Go tests.
# What nothing ran is listed in BUILD_DIR/coverage/unrun.
set -eu
[ $# -eq 2 ] || { echo "usage: tests/coverage.sh BUILD_DIR PROFILE" >&2; exit 2; }
cd "$(dirname "$0")/.."
build=$(cd "$1" && pwd)
work=$build/coverage
rm -rf "$work"
mkdir -p "$work/tree" "$work/data"

tar cf - build/*.sh build/*.lds build/*.map go.mod go.sum $(ls -d */ | grep -v -e '^build/' -e '^testdata/' -e '^tests/') | tar xf - -C "$work/tree"
cp tests/testdata/coverage.go "$work/tree/capi/"
# The library keeps the host's environment from Go.
sed -i "s|\"GOTRACEBACK=all\";|& *p++ = (uintptr_t)\"GOCOVERDIR=$work/data\";|" "$work/tree/capi/boot.c"
GOFLAGS="-cover -covermode=atomic -coverpkg=virgldrm/..." "$work/tree/build/lib.sh"

# The harnesses leave by _exit, and the counters are written by exit.
echo 'void exit(int); void _exit(int code) { exit(code); }' | ${CC:-cc} -w -shared -fPIC -x c -o "$work/libexit.so" -

export DRMSIM_GPU_US=300 VIRGLDRM_CRASH_ON_PANIC=1 VIRGLDRM_DELEGATE=none LD_PRELOAD="$build/libdrmsim.so:$work/libexit.so"
lib=$work/tree/build/libvirglrenderer.so.1
export ABI_ANY_FDS=1
for run in "abi --lib $lib" "delegate --lib $lib" "replay --lib $lib testdata/recordings/turnip-vktest.vrec.xz" \
    "env DRMSIM_DRIVER=asahi $build/replay --lib $lib testdata/recordings/asahi-vulkaninfo-vktest.vrec.xz"; do
    PATH="$build:$PATH" $run >>"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
done
unset LD_PRELOAD
ls "$work/data/"covcounters.* >/dev/null || { cat "$work/log"; exit 1; }
go tool covdata textfmt -i="$work/data" -o "$work/harness.out"
awk -v unrun="$work/unrun" -f build/cover.awk "$2" "$work/harness.out"
