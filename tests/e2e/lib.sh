# Shared by the scripts here: where things are, progress, and the private namespaces everything runs in.
# shellcheck shell=sh

root=$(cd "$(dirname "$0")/../.." && pwd)
here=$root/tests/e2e
debs=${VIRGLDRM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/virgldrm} # also read by build/fetch.sh
cache=$debs/e2e
logs=$root/build/e2e
multiarch=usr/lib/x86_64-linux-gnu

die() { echo "$(basename "$0"): $*" >&2; exit 1; }

[ "$(uname -m)" = x86_64 ] || die "the virtual machine is an x86-64 one, and this machine is not; run this on one that is"

# step NAME COMMAND...: one line of progress; the output goes to a log which a failure shows the end of.
step() {
    _log=$logs/$1.log
    mkdir -p "$logs"
    printf 'e2e: %-22s ' "$1" >&2
    shift
    _start=$(date +%s)
    if "$@" >"$_log" 2>&1 </dev/null; then
        echo "$(($(date +%s) - _start)) s" >&2
    else
        _rc=$?
        echo "failed; the end of $_log:" >&2
        tail -n 12 "$_log" >&2
        return $_rc
    fi
}

# hash FILE...: a name that changes with what is in the files.
hash() { cat "$@" | sha256sum | cut -c 1-16; }

# in_namespace ARGS...: runs this script again where its mounts and processes are its own and end with it.
# Without root the kernel must let users make namespaces.
in_namespace() {
    user=
    [ "$(id -u)" -eq 0 ] || user="--user --map-root-user"
    # shellcheck disable=SC2086
    unshare $user --mount --pid --fork true 2>/dev/null ||
        die "this needs root or a kernel that lets users make namespaces; run it as root"
    # unshare and the first process of a namespace ignore signals, so this shell stays to end them.
    # shellcheck disable=SC2086
    E2E_INSIDE=1 unshare $user --mount --pid --fork --kill-child --mount-proc "$0" "$@" <&0 &
    _namespace=$!
    trap 'kill -KILL $_namespace' HUP INT TERM
    _rc=0
    wait $_namespace || _rc=$?
    exit $_rc
}

# mount_tree DIR: makes an unpacked Debian tree usable as a root directory, inside the namespace.
mount_tree() {
    mkdir -p "$1/dev" "$1/proc" "$1/tmp" "$1/run"
    mount -t proc proc "$1/proc"
    mount -t tmpfs -o mode=755 dev "$1/dev"
    for _node in null zero full random urandom; do
        : >"$1/dev/$_node"
        mount --bind "/dev/$_node" "$1/dev/$_node"
    done
    mkdir -m 1777 "$1/dev/shm"
    mkdir "$1/dev/dri" # where simulated devices appear
    ln -s /proc/self/fd "$1/dev/fd"
    mount -t tmpfs -o mode=1777 tmp "$1/tmp"
}
