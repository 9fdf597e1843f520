#!/bin/sh
# deps.sh GROUP|PACKAGE...: makes sure Debian packages (12 or 13) are installed. Silent when nothing is missing.
set -eu

lib="gcc libc6-dev binutils pkgconf libdrm-dev"
demo="$lib xz-utils"
test="$demo valgrind libseccomp-dev"

fail() {
    echo "deps.sh: $*, so install these packages yourself and try again:$missing" >&2
    exit 1
}

wanted=
for arg in "$@"; do
    case $arg in
    lib) wanted="$wanted $lib" ;;
    demo) wanted="$wanted $demo" ;;
    test) wanted="$wanted $test" ;;
    *) wanted="$wanted $arg" ;;
    esac
done

installed=
if command -v dpkg-query >/dev/null; then
    installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' 2>/dev/null | sed -n 's/^installed //p' | tr '\n' ' ')
fi
missing=
for package in $wanted; do
    case " $installed $missing " in
    *" $package "*) ;;
    *) missing="$missing $package" ;;
    esac
done
[ -n "$missing" ] || exit 0

command -v apt-get >/dev/null || fail "this is not a Debian machine (no apt-get)"
root=
if [ "$(id -u)" -ne 0 ]; then
    sudo -n true 2>/dev/null || fail "installing needs root or sudo without a password"
    root="sudo -n"
fi
echo "deps.sh: installing$missing" >&2
quiet="-qq -o DPkg::Lock::Timeout=120"
$root apt-get $quiet update >&2 || fail "apt-get update failed"
$root env DEBIAN_FRONTEND=noninteractive apt-get $quiet install -y --no-install-recommends $missing >&2 ||
    fail "apt-get could not install what is missing"
