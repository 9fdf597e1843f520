#!/bin/sh
# Installs the built library into an empty root and uses it from there: pkg-config, compiling, linking, running.
# usage: tests/install/run.sh BUILD_DIR
set -eu

[ $# -eq 1 ] || { echo "usage: tests/install/run.sh BUILD_DIR" >&2; exit 2; }
root=$(cd "$(dirname "$0")/../.." && pwd)
here=$root/tests/install
build=$(cd "$1" && pwd)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
failed=0
# check WHAT COMMAND...: one line, PASS when the command succeeds.
check() {
    what=$1; shift
    if "$@" >"$work/log" 2>&1; then
        echo "PASS $what"
    else
        echo "FAIL $what"
        sed 's/^/     /' "$work/log"
        failed=1
    fi
}
# same HAVE WANT: equal, or shows both.
same() { [ "$1" = "$2" ] || { echo "have: $1"; echo "want: $2"; return 1; }; }

# install_to DEST VAR=VALUE...: only the variables named here count, and a strict umask must not matter.
install_to() {
    (umask 077; dest=$1; shift
        env -u PREFIX -u LIBDIR -u INCLUDEDIR -u LIBEXECDIR -u prefix -u libdir DESTDIR="$dest" "$@" "$root/build/install.sh" "$build")
}
listed() { (cd "$1" && find . ! -type d -printf '%P %m\n' | LC_ALL=C sort); }

dest=$work/root
check "installs" install_to "$dest"
check "installs over itself" install_to "$dest"
check "these files, readable for all, and no others" same "$(listed "$dest/usr/local")" "include/virgl/virgl-version.h 644
include/virgl/virgl_drm_asahi.h 644
include/virgl/virgl_drm_msm.h 644
include/virgl/virgl_drm_wire.h 644
include/virgl/virgl_renderer_drm.h 644
include/virgl/virglrenderer.h 644
lib/.debug/libvirglrenderer.so.1.debug 644
lib/libvirglrenderer.so 777
lib/libvirglrenderer.so.1 755
lib/pkgconfig/virglrenderer.pc 644"
check "no directory is closed to others" same "$(find "$dest/usr" -type d ! -perm -755)" ""
check "the .so link is relative" same "$(readlink "$dest/usr/local/lib/libvirglrenderer.so")" libvirglrenderer.so.1
check "a relative PREFIX is refused" same "$(install_to "$work/no" PREFIX=usr 2>&1 || echo refused)" \
    "install.sh: PREFIX=usr must be an absolute path
refused"

# pc DIR ARGUMENT...: pkg-config that sees nothing but DIR/pkgconfig.
unset PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR
pc() { (dir=$1; shift; PKG_CONFIG_LIBDIR=$dir/pkgconfig pkg-config "$@" virglrenderer); }
libdir=$dest/usr/local/lib
check "pkg-config: at least 1.3.0" pc "$libdir" --atleast-version=1.3.0
check "pkg-config: the version is that of the header" same "$(pc "$libdir" --modversion)" \
    "$(printf '#include "virgl_renderer_drm.h"\nVIRGL_MAJOR_VERSION.VIRGL_MINOR_VERSION.VIRGL_MICRO_VERSION\n' |
        ${CC:-cc} -E -P -I"$root/include" - | tail -n 1 | tr -d '() ')"
check "pkg-config: the define for unstable functions" same \
    "$(pc "$libdir" --cflags-only-other | xargs)" -DVIRGL_RENDERER_UNSTABLE_APIS=1
for var in prefix: includedir:/include libdir:/lib libexecdir:/libexec; do
    check "pkg-config: ${var%:*}" same "$(pc "$libdir" --variable="${var%:*}")" "/usr/local${var#*:}"
done

# Another layout, as a distribution for several architectures has it.
multi=/usr/lib/aarch64-linux-gnu
check "installs with LIBDIR elsewhere" install_to "$work/multi" PREFIX=/usr LIBDIR=$multi
check "pkg-config: libdir is that LIBDIR" same "$(pc "$work/multi$multi" --variable=libdir)" $multi
check "pkg-config: and includedir that of PREFIX" same "$(pc "$work/multi$multi" --variable=includedir)" /usr/include

check "prefix= and libdir= will do" install_to "$work/lower" prefix=/usr libdir=$multi
check "with the same result" same "$(listed "$work/lower")" "$(listed "$work/multi")"
check "the library names its debug info" sh -c 'readelf -p .gnu_debuglink "$1" | grep -q " libvirglrenderer.so.1.debug"' sh "$libdir/libvirglrenderer.so.1"

# The way QEMU and rutabaga build, in the installed root; -L and -I must come from pkg-config alone.
export PKG_CONFIG_SYSROOT_DIR="$dest"
flags() { pc "$libdir" "$@"; }
warn="-std=gnu11 -Wall -Wextra -Wshadow -Werror"
build_client() { ${CC:-cc} $warn -o "$work/client" "$here/client.c" $(flags --cflags --libs); }
check "a client compiles and links" build_client
check "it asks for libvirglrenderer.so.1" sh -c 'readelf -d "$1" | grep -q "NEEDED.*\[libvirglrenderer.so.1\]"' sh "$work/client"
LD_LIBRARY_PATH=$libdir "$work/client" || failed=1

# Each header on its own, in either order, and with the directory spelled out.
alone() { printf '#include <%s>\n' "$@" | ${CC:-cc} $warn -fsyntax-only $(flags --cflags) -I"$dest/usr/local/include" -x c -; }
for headers in virgl-version.h "virgl-version.h virglrenderer.h" "virglrenderer.h virgl-version.h" \
    "virglrenderer.h virgl_renderer_drm.h" virgl/virglrenderer.h; do
    check "compiles: $headers" alone $headers
done
exit $failed
