#!/bin/sh
# install.sh: installs the library, its headers and virglrenderer.pc, to be found the way virglrenderer is.
# usage: build/install.sh [BUILD_DIR]    BUILD_DIR holds the built library, default build/
# Environment: PREFIX (/usr/local), LIBDIR (PREFIX/lib), INCLUDEDIR (PREFIX/include), LIBEXECDIR (PREFIX/libexec), or the
# same in lower case;
# DESTDIR goes in front of all of them, for packagers, and is not recorded in any file.
set -eu

fail() {
    echo "install.sh: $*" >&2
    exit 1
}

root=$(cd "$(dirname "$0")/.." && pwd)
lib=${1:-$root/build}/libvirglrenderer.so.1
[ -f "$lib" ] || fail "$lib is missing; build it with \`make lib\`"

DESTDIR=${DESTDIR:-}
PREFIX=${PREFIX:-${prefix:-/usr/local}}
LIBDIR=${LIBDIR:-${libdir:-$PREFIX/lib}}
INCLUDEDIR=${INCLUDEDIR:-${includedir:-$PREFIX/include}}
LIBEXECDIR=${LIBEXECDIR:-${libexecdir:-$PREFIX/libexec}}
for name in PREFIX LIBDIR INCLUDEDIR LIBEXECDIR; do
    eval "dir=\$$name"
    case $dir in
    *[!A-Za-z0-9/._+~-]*) fail "$name=$dir has a character that pkg-config files cannot hold; choose another directory" ;;
    /*) ;;
    *) fail "$name=$dir must be an absolute path" ;;
    esac
done

version=$(sed -n 's/^#define VIRGL_M[A-Z]*_VERSION (\([0-9]*\))$/\1/p' "$root/include/virgl_renderer_drm.h" | paste -sd. -)
case $version in
*[0-9].[0-9]*.[0-9]*) ;;
*) fail "include/virgl_renderer_drm.h does not say which version this is" ;;
esac

pc=$(mktemp)
trap 'rm -f "$pc"' EXIT
# Paths below the prefix are written relative to it, so that pkg-config can move the whole tree.
sed -e "s|@INCLUDEDIR@|$INCLUDEDIR|; s|@LIBDIR@|$LIBDIR|; s|@LIBEXECDIR@|$LIBEXECDIR|; s|=$PREFIX/|=\${prefix}/|" \
    -e "s|@PREFIX@|$PREFIX|; s|@VERSION@|$version|" "$root/build/virglrenderer.pc.in" >"$pc"

# Everything a program includes lies in one directory, so a single -I serves.
libdir=$DESTDIR$LIBDIR headers=$DESTDIR$INCLUDEDIR/virgl
install -d "$libdir/pkgconfig" "$headers"
install -m 755 "$lib" "$libdir/libvirglrenderer.so.1"
if [ -f "$lib.debug" ]; then # where gdb looks
    install -d "$libdir/.debug"
    install -m 644 "$lib.debug" "$libdir/.debug/libvirglrenderer.so.1.debug"
fi
ln -sfn libvirglrenderer.so.1 "$libdir/libvirglrenderer.so"
install -m 644 "$root"/include/virgl_*.h "$root"/include/virgl/*.h "$headers"
install -m 644 "$pc" "$libdir/pkgconfig/virglrenderer.pc"

echo "installed libvirglrenderer.so.1 in $libdir and headers in $headers"
[ -n "$DESTDIR" ] || echo "run ldconfig as root if programs are to find it by name"
