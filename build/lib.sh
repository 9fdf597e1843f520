#!/bin/sh
# lib.sh: builds build/libvirglrenderer.so.1 and its debug info build/libvirglrenderer.so.1.debug (gdb finds it by itself).
# Environment: OUT=DIR leaves them there instead; OVERLAY=off uses the standard library unedited (docs/sandbox.md says what
# that costs); GOARCH=arm64 CC=aarch64-linux-gnu-gcc builds for arm64; RACE=on makes a static library with the race detector;
# STRIP=off leaves the debug info in the library, for packagers whose tools split it themselves.
set -eu

fail() {
    echo "lib.sh: $*" >&2
    exit 1
}

[ $# -eq 0 ] || fail "there are no options, only environment variables: see the top of build/lib.sh"

build=$(cd "$(dirname "$0")" && pwd)
out=$(mkdir -p "${OUT:-$build}" && cd "${OUT:-$build}" && pwd)
cd "$build/.."
name=libvirglrenderer.so.1
obj=$out/_obj # the underscore hides its Go files from ./...
linked=$obj/$name

# What the library does to the runtime, it knows of one version.
pinned=$(awk '$1 == "toolchain" { print $2 }' go.mod)
command -v go >/dev/null || fail "there is no Go here: install $pinned"
found=$(go env GOVERSION)
[ "$found" = "$pinned" ] ||
    fail "this is $found, and the library is made for the internals of $pinned: install that, or set GOTOOLCHAIN=$pinned to have Go fetch it"

export CGO_ENABLED=1 CC="${CC:-$(go env CC)}"
mkdir -p "$obj"

# A Go that Go fetched lies in its module cache, where overlays are refused; the library needs no modules.
goroot=$(go env GOROOT)
case $goroot in
"$(go env GOMODCACHE)"/*) export PATH="$goroot/bin:$PATH" GOTOOLCHAIN=local GOMODCACHE="$obj/modules" ;;
esac

# Go caches what pkg-config answers but does not ask again: in these variables it sees when libdrm is elsewhere.
pkgconf=${PKG_CONFIG:-pkg-config}
cflags=$($pkgconf --cflags libdrm) && libs=$($pkgconf --libs libdrm) || fail "libdrm's headers are missing: install libdrm-dev"
export CGO_CFLAGS="${CGO_CFLAGS:--O2 -g} $cflags" CGO_LDFLAGS="${CGO_LDFLAGS:--O2 -g} $libs"

if [ "${OVERLAY:-on}" = off ]; then
    set -- -tags=unedited
else
    "$build/overlay.sh" "$obj/overlay"
    set -- "-overlay=$obj/overlay/overlay.json"
fi

# Signals: no preemption signals. Seccomp jails: no cgroup files, at start or later. Stacks: goroutines that serve host
# threads keep theirs (capi/boot.c).
settings=asyncpreemptoff=1,containermaxprocs=0,updatemaxprocs=0,gcshrinkstackoff=1

# No shared library can have the race detector. A program that links this one must not be PIE and needs build/defer.lds.
if [ "${RACE:-off}" = on ]; then
    go build -race -buildmode=c-archive -trimpath -buildvcs=false "$@" -o "$out/libvirglrenderer.a" \
        -ldflags "-X runtime.godebugDefault=$settings" ./capi
    exit
fi

# go build does not know what is inside the linker's scripts.
[ -z "$(find "$build/defer.lds" "$build/exports.map" -newer "$linked" 2>/dev/null)" ] || rm -f "$linked"

go build -buildmode=c-shared -trimpath -buildvcs=false "$@" -o "$linked" -ldflags "
    -X runtime.godebugDefault=$settings
    -extldflags '-fuse-ld=bfd \"-Wl,-T,$build/defer.lds\" \"-Wl,--version-script=$build/exports.map\" -Wl,-soname,$name
        -Wl,-z,defs -Wl,-z,now -Wl,-z,nodelete -Wl,--wrap=pthread_getattr_np'" ./capi

# ---- what the build must have achieved

# Exactly one pointer to the runtime's entry point, in the slot that boot.c calls and so not in .init_array.
entry=_rt0_$(go env GOARCH)_linux_lib
set -- $(nm "$linked" | awk -v e="$entry" '$3 == e { rt0 = $1 } $3 == "__go_rt0_slot" { slot = $1 } END { print rt0, slot }')
remedy="build with GNU ld and the Go release $pinned as it is"
[ $# -eq 2 ] || fail "$entry or __go_rt0_slot is missing, so Go cannot be started: $remedy"
at=$(readelf -rW "$linked" | awk -v e="$(echo "$1" | sed 's/^0*//')" '$3 ~ /_RELATIVE$/ && $4 == e { print $1 }' | xargs)
[ "$at" = "$2" ] || fail "$entry is called from ${at:-nowhere}, not from the slot at $2 alone, so Go would start when the library is loaded: $remedy"

dynamic=$(readelf -dW "$linked")
has() { echo "$dynamic" | grep -q "$1"; }
has "(SONAME).*\[$name\]" || fail "the soname is not $name"
! has TEXTREL || fail "the library has text relocations"
has "(FLAGS_1).*NOW.*NODELETE" || fail "the library is not marked NOW and NODELETE"
grep -qaF "$settings" "$linked" || fail "the runtime settings are not baked in"

sed -n 's/^ *\(virgl_[a-z0-9_]*\);$/\1/p' "$build/exports.map" | LC_ALL=C sort > "$obj/exports.want"
nm -D --defined-only "$linked" | awk '{ print $3 }' | LC_ALL=C sort > "$obj/exports.have"
missing=$(LC_ALL=C comm -23 "$obj/exports.want" "$obj/exports.have" | xargs)
extra=$(LC_ALL=C comm -13 "$obj/exports.want" "$obj/exports.have" | xargs)
[ -z "$missing" ] || fail "not exported, so not defined in capi: $missing"
[ -z "$extra" ] || fail "exported but not in build/exports.map: $extra"

# ---- split the debug info off; a file that did not change is not touched

if [ "${STRIP:-on}" = off ]; then
    rm -f "$out/$name.debug"
    cp "$linked" "$out/$name"
    exit
fi

objcopy=$($CC -print-prog-name=objcopy)
cd "$obj"
mkdir -p split
"$objcopy" --only-keep-debug "$linked" split/$name.debug
"$objcopy" --strip-all --add-gnu-debuglink=split/$name.debug "$linked" split/$name
for file in $name.debug $name; do
    cmp -s split/$file "$out/$file" || mv split/$file "$out/$file"
done
