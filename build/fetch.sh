#!/bin/sh
# Unpack Debian packages of any suite into a directory, without root and without touching the machine's own apt state.
set -eu

usage() {
    cat <<'USAGE'
usage: build/fetch.sh [--deps] [--arch ARCH] [--refresh] SUITE OUTDIR PKG...
  --deps      also everything the packages depend on, down to libc (a tree one can chroot into)
  --arch      Debian architecture, default this machine's
  --refresh   look for newer versions even when the cached ones would do
Packages are cached in $VIRGLDRM_CACHE (default ~/.cache/virgldrm),
and come from the archive in this machine's apt sources.
Exit: 0 unpacked, 1 broken request, 2 usage, 3 not possible here (no network, no Debian sources).
USAGE
}

die() { code=$1; shift; echo "fetch.sh: $*" >&2; exit "$code"; }

deps= arch= refresh=
while [ $# -gt 0 ]; do
    case $1 in
    --deps) deps=deps ;;
    --arch) arch=${2:?--arch needs a name}; shift ;;
    --refresh) refresh=yes ;;
    -h|--help) usage; exit 0 ;;
    -*) usage >&2; exit 2 ;;
    *) break ;;
    esac
    shift
done
[ $# -ge 3 ] || { usage >&2; exit 2; }
suite=$1 out=${2%/}; shift 2

for tool in apt-get apt-config dpkg dpkg-deb flock; do
    command -v $tool >/dev/null || die 3 "$tool is needed to fetch Debian packages; run this on a Debian machine"
done
arch=${arch:-$(dpkg --print-architecture)}

# The stamp is the request: the same request finds its tree and is done, another one replaces it.
request="$suite $arch ${deps:-nodeps} $*"
stamp=$out/.fetched
fetched() { [ -z "$refresh" ] && [ -f "$stamp" ] && [ "$(head -n 1 "$stamp")" = "$request" ]; }
! fetched || exit 0
if [ -e "$out" ] && [ ! -f "$stamp" ]; then
    rmdir "$out" 2>/dev/null || die 1 "$out exists and was not made by this script; name another directory"
fi

cache=${VIRGLDRM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/virgldrm}/$suite-$arch
mkdir -p "$cache/lists/partial" "$cache/archives/partial" "$cache/none" "$(dirname "$out")"
cache=$(cd "$cache" && pwd) out=$(cd "$(dirname "$out")" && pwd)/$(basename "$out")
exec 9>"$cache/lock"
flock 9
if fetched; then
    echo "fetch.sh: another run fetched $out while this one waited for it" >&2
    exit 0
fi

new=$out.new.$$ old=$out.old.$$
trap 'rm -rf "$new" "$old"' EXIT
trap 'exit 1' HUP INT TERM

# The machine's main Debian archive, whatever mirror that is.
. /etc/os-release
mirror=$(apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
    awk -v own="${VERSION_CODENAME:-}" '$2 == "main" && ($1 == own || $1 ~ /^(stable|testing|unstable|sid)$/) {
        print $3; exit }')
[ -n "$mirror" ] || die 3 "no Debian archive in this machine's apt sources; add one and try again"
keys=/usr/share/keyrings/debian-archive-keyring.gpg
[ -r "$keys" ] || die 3 "$keys is missing; install debian-archive-keyring"

# Suites that only add to another one need that one below them to complete their dependencies.
case $suite in
*-backports) suites="$suite ${suite%-backports}" ;;
experimental) suites="$suite sid" ;;
*) suites=$suite ;;
esac
for s in $suites; do echo "deb [signed-by=$keys] $mirror $s main"; done >"$cache/sources.list"
: >"$cache/status"
# Network settings come from the machine; its hooks, pins and package state must stay out.
{
    apt-config dump | grep '^Acquire::' | grep -v '^Acquire::IndexTargets'
    cat <<CONF
APT::Architecture "$arch";
APT::Architectures { "$arch"; };
APT::Default-Release "$suite";
APT::Install-Recommends "false";
APT::Sandbox::User "";
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Acquire::Retries "2";
Dir::Etc::main "/dev/null";
Dir::Etc::parts "$cache/none";
Dir::Etc::sourcelist "$cache/sources.list";
Dir::Etc::sourceparts "$cache/none";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "$cache/none";
Dir::State "$cache";
Dir::State::lists "$cache/lists";
Dir::State::status "$cache/status";
Dir::Cache "$cache";
Dir::Cache::srcpkgcache "";
Dir::Cache::archives "$cache/archives";
CONF
} >"$cache/apt.conf"
export APT_CONFIG="$cache/apt.conf" LC_ALL=C

update() {
    echo "fetch.sh: reading the package index of $suite ($arch)" >&2
    apt-get -q update >"$cache/log" 2>&1 && return
    ! grep -q 'does not have a Release file' "$cache/log" || die 1 "$mirror has no suite $suite; check its name"
    ! grep -qE 'NO_PUBKEY|BADSIG|EXPKEYSIG|not signed' "$cache/log" ||
        die 1 "$suite is not signed by a key in $keys; update debian-archive-keyring"
    die 3 "cannot read the package index of $suite from $mirror; connect to the network and try again (log: $cache/log)"
}

# plan PKG...: one .deb file name per line, all of them, whether cached or not.
plan() {
    if [ -n "$deps" ]; then
        apt-get -qq -y --print-uris -o Dir::Cache::archives="$cache/none" install "$@"
    else
        apt-get -qq --print-uris download "$@"
    fi >"$cache/uris" 2>"$cache/log" && awk '/^\047/ { print $2 }' "$cache/uris"
}

download() {
    if [ -n "$deps" ]; then
        apt-get -qq -y --download-only install "$@"
    else
        (cd "$cache/archives" && apt-get -qq download "$@")
    fi >"$cache/log" 2>&1
}

# The cached index serves as long as it can; a package it lacks or that the archive has replaced asks for a new one.
fresh=$refresh
[ -n "$(find "$cache/lists" -name '*_Packages*' | head -n 1)" ] || fresh=yes
[ -z "$fresh" ] || update
attempt() { debs=$(plan "$@") && download "$@"; }
attempt "$@" || { [ -z "$fresh" ] && update && attempt "$@"; } || {
    tail -n 5 "$cache/log" >&2
    [ -n "$debs" ] || die 1 "$suite ($arch) cannot provide: $*"
    die 3 "cannot download $* from $mirror; connect to the network and try again"
}

mkdir "$new"
# Debian's merged /usr, for older packages that still ship /lib and for use as a root directory.
[ -z "$deps" ] || for d in bin lib lib64 sbin; do mkdir -p "$new/usr/$d"; ln -s usr/$d "$new/$d"; done
for deb in $debs; do
    dpkg-deb -x "$cache/archives/$deb" "$new"
done
{ echo "$request"; echo "$debs"; } >"$new/.fetched"
[ ! -e "$out" ] || mv "$out" "$old"
mv "$new" "$out"
