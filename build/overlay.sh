#!/bin/sh
# overlay.sh OUTDIR: writes OUTDIR/overlay.json for `go build -overlay`, with edited copies of four standard library files.
# Each edit removes something a library must not do inside a VMM process. GOROOT is only read.
set -eu
out=$(mkdir -p "$1" && cd "$1" && pwd)
cd "$(dirname "$0")/.."
src=$(go env GOROOT)/src
version=$(go env GOVERSION)
entries=

# edit FILE LINES COMMAND...: pipes FILE through COMMAND; exactly LINES lines must come out added or removed.
edit() {
    file=$1 lines=$2
    shift 2
    copy=$out/$(basename "$file")
    changed=none
    if [ -r "$src/$file" ]; then
        "$@" < "$src/$file" > "$copy.new"
        changed=$(diff "$src/$file" "$copy.new" | awk '/^[<>]/ { n++ } END { print n + 0 }')
    fi
    if [ "$changed" != "$lines" ]; then
        echo "overlay.sh: the edit of $file does not fit $version (it must change $lines lines and changes $changed): build with a Go release as it is, or set OVERLAY=off (docs/sandbox.md says what that costs)" >&2
        exit 1
    fi
    # An unchanged copy keeps its time stamp, so nothing looks newer than it is.
    if cmp -s "$copy.new" "$copy"; then rm "$copy.new"; else mv "$copy.new" "$copy"; fi
    entries="$entries${entries:+,
}\"$src/$file\": \"$copy\""
}

# Loading package syscall raises RLIMIT_NOFILE of the whole process, and prlimit64 kills it in a seccomp jail.
edit syscall/rlimit.go 18 awk '/^func init\(\) \{/ { skip = 1 } !skip; skip && /^}/ { skip = 0 }'

# The heap asks for MADV_NOHUGEPAGE and ignores the answer: forbidden advice in a seccomp jail.
edit runtime/mem_linux.go 1 sed '/^\tmadvise(v, n, _MADV_NOHUGEPAGE)$/d'

# Even with containermaxprocs=0 the cgroup files are opened and read once at start.
edit runtime/cgroup_linux.go 3 sed 's/^func defaultGOMAXPROCSInit() {$/&\n\tif debug.containermaxprocs <= 0 {\n\t\treturn\n\t}/'

# Entering Go unblocks SIGCHLD and SIGPROF in the host's threads.
edit runtime/sigtab_linux_generic.go 4 sed -E 's/^(\t\/\* (17|27) \*\/ +\{_SigNotify) \+ _SigUnblock/\1/'

printf '{"Replace": {\n%s\n}}\n' "$entries" > "$out/overlay.json"
