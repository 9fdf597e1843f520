#!/bin/sh
# Puts the built library under Debian's own QEMU and virgl_test_server: do they find every function, do they run with it,
# does OpenGL reach Debian's own library behind it?
# usage: tests/clients/run.sh BUILD_DIR     environment: CLIENTS_SUITE, the Debian suite the programs come from
# Exit: 0 all passed, 1 something failed, 3 not possible here (no network to fetch the programs, and none cached).
# The first run fetches about 100 MB. With CI=true "not possible" is a failure.
set -eu

[ $# -eq 1 ] || { echo "usage: tests/clients/run.sh BUILD_DIR" >&2; exit 2; }
root=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "$1" && pwd -P) # as the kernel names it in maps
lib=$build/libvirglrenderer.so.1
[ -f "$lib" ] || { echo "run.sh: $lib is missing; build it with build/lib.sh" >&2; exit 1; }

suite=${CLIENTS_SUITE:-forky}
tree=$build/clients-$suite
code=0
"$root/build/fetch.sh" --deps "$suite" "$tree" virgl-server qemu-system-x86 qemu-system-modules-opengl libegl-dev libgles-dev || code=$?
if [ $code -eq 3 ]; then
    echo "NOT TESTED: Debian's QEMU and virgl_test_server could not be fetched, see above" >&2
    [ "${CI:-}" != true ] || code=1
fi
[ $code -eq 0 ] || exit $code

work=$(mktemp -d)
server=
trap 'killed; rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
"${CC:-cc}" -std=gnu11 -O2 -Wall -Wextra -Wshadow -Werror -o "$work/vtest" "$root/tests/clients/vtest.c"

# The client is linked with its suite's OpenGL, which may want a newer libc than this machine's: the suite's will run it.
libs=$(dirname "$(find "$tree/usr/lib" -name libc.so.6)")
"${CC:-cc}" -std=gnu11 -O2 -Wall -Wextra -Wshadow -Werror -idirafter "$tree/usr/include" -o "$work/gl" \
    "$root/tests/clients/gl.c" "$root/tests/e2e/guest/glframe.c" \
    -L"$libs" -Wl,--unresolved-symbols=ignore-in-shared-libs -lEGL -lGLESv2

# killed: the server and every process it forked, for it leads a process group. None left is fine.
killed() { if [ -n "$server" ] && kill -9 -"$server" 2>"$work/log"; then echo "     (had to be killed)"; fi; }

failed=0
pass() { echo "PASS $*"; }
fail() { echo "FAIL $*"; failed=1; }
# verdict WHAT COMPLAINT: PASS if there is nothing to complain about.
verdict() { if [ -z "$2" ]; then pass "$1"; else fail "$1"; echo "$2" | sed 's/^/     /'; fi; }

# The programs run with their own suite's loader and libraries, but for ours in front. No root, no chroot.
vtest_server=$tree/usr/bin/virgl_test_server
qemu=$tree/usr/bin/qemu-system-x86_64
module=$(find "$tree/usr/lib" -name hw-display-virtio-gpu-gl.so)
loader=$(find "$tree/usr/lib" "$tree/usr/lib64" -name 'ld-linux*.so.*' | head -n 1)
for file in "$vtest_server" "$qemu" "$module"; do
    [ -f "$file" ] || { echo "run.sh: $suite lacks ${file:-hw-display-virtio-gpu-gl.so}; set CLIENTS_SUITE" >&2; exit 1; }
done
export LD_BIND_NOW=1 VIRGLDRM_CRASH_ON_PANIC=1 VIRGLDRM_DELEGATE=none

imports() { nm -D --undefined-only "$1" | awk '$2 ~ /^virgl_/ { print $2 }' | LC_ALL=C sort; }
nm -D --defined-only "$lib" | awk '{ print $3 }' | LC_ALL=C sort >"$work/exports"

echo "== $suite $(basename "$libs"): what they import"
for file in "$module" "$vtest_server"; do
    imports "$file" >"$work/imports"
    count=$(wc -l <"$work/imports")
    [ "$count" -gt 20 ] || fail "$(basename "$file") imports only $count functions; is it the right file?"
    verdict "$(basename "$file"): all $count functions it imports are exported" \
        "$(LC_ALL=C comm -23 "$work/imports" "$work/exports")"
done

# bound FILE LOG: the dynamic linker says that each import of FILE went to our library.
bound() {
    imports "$1" >"$work/imports"
    cat "$2".* | awk -v from="binding file $1 " -v to="to $lib " 'index($0, from) && index($0, to)' |
        sed -n "s/.*\`\(virgl_[a-z0-9_]*\)'.*/\1/p" | LC_ALL=C sort -u >"$work/bound"
    verdict "$(basename "$1"): all $(wc -l <"$work/imports") are bound to our library" \
        "$(LC_ALL=C comm -23 "$work/imports" "$work/bound")"
}

echo "== QEMU loads its module"
code=0
QEMU_MODULE_DIR=$(dirname "$module") LD_DEBUG=bindings LD_DEBUG_OUTPUT=$work/qemu-bind timeout 60 \
    "$loader" --library-path "$build:$libs" "$qemu" -device virtio-gpu-gl-pci,help >"$work/qemu.log" 2>&1 || code=$?
if [ $code -eq 0 ] && grep -q drm_native_context "$work/qemu.log"; then
    pass "qemu-system-x86_64 knows virtio-gpu-gl-pci and its drm_native_context"
else
    fail "qemu-system-x86_64 -device virtio-gpu-gl-pci,help (exit $code)"
    tail -n 5 "$work/qemu.log"
fi
bound "$module" "$work/qemu-bind"

# start FLAGS...: virgl_test_server on $work/socket, as process $server; loader_debug asks the dynamic linker for its log.
loader_debug= path=$build:$libs
start() {
    rm -f "$work/socket"
    setsid env ${loader_debug:+LD_DEBUG=bindings LD_DEBUG_OUTPUT="$loader_debug"} \
        "$loader" --library-path "$path" "$vtest_server" "$@" --socket-path "$work/socket" \
        >"$work/out" 2>"$work/err" &
    server=$!
}
# within SECONDS COMMAND...: waits for COMMAND to succeed.
within() {
    tries=$(($1 * 20)); shift
    until "$@"; do
        [ $tries -gt 0 ] || return 1
        tries=$((tries - 1))
        sleep 0.05
    done
}
ended() { ! kill -0 "$server" 2>"$work/log"; }
childless() { [ -z "$(cat "/proc/$server/task/$server/children" 2>&1)" ]; }
# end CODE: the server is gone in time, with that exit code.
end() {
    intime=yes code=0
    within 10 ended || intime=no
    killed
    wait "$server" || code=$?
    server=
    if [ "$intime $code" = "yes $1" ]; then pass "the server ends as it should"
    else fail "the server ended in time: $intime, with $code instead of $1"; fi
}
# judge_log REFUSALS: the server tells each one, but not that a child was lost in another way. Nothing else may be on stderr.
judge_log() {
    told=$(grep CONTEXT_FAILED "$work/err" | wc -l)
    if [ "$told" -eq "$1" ]; then pass "$1 contexts were refused"; else fail "$told contexts were refused, not $1"; fi
    verdict "no other complaint, no crash" "$(sed '/^client: VTEST_CLIENT_[A-Z_]*$/d' "$work/err")"
}

echo "== virgl_test_server --no-virgl --no-loop-or-fork: one client, then an orderly end"
loader_debug=$work/vtest-bind
start --no-virgl --no-loop-or-fork
loader_debug=
"$work/vtest" -v "$work/socket" greet || failed=1
end 0
judge_log 0
bound "$vtest_server" "$work/vtest-bind"

# maps: the libraries of that name in the server.
maps() { awk '/libvirglrenderer/ { print $6 }' "/proc/$server/maps" | sort -u; }
# serve TALKS FLAGS...: many clients, until we end it.
serve() {
    talks=$1; shift
    echo "== virgl_test_server $*"
    start "$@"
    "$work/vtest" "$work/socket" $talks || failed=1
    if within 10 childless; then pass "no process is left behind"; else fail "processes that served a client do not end"; fi
    used=$(maps)
    if [ "$used" = "$lib" ]; then pass "the library in it is ours"; else fail "the library in it is: $used"; fi
    kill "$server" || fail "the server is gone"
    end 143
    judge_log 4
}
serve "greet refused rude greet" --no-virgl --no-fork
serve "greet refused rude deaf pair greet" --no-virgl
serve "greet refused rude deaf pair greet" --no-virgl --multi-clients
serve "greet refused greet" --no-virgl --venus
serve "greet refused greet" --use-egl-surfaceless

# Mesa draws on the processor, and a client's virpipe driver sends what it has to draw to the server.
export LIBGL_ALWAYS_SOFTWARE=1 __EGL_VENDOR_LIBRARY_FILENAMES="$tree/usr/share/glvnd/egl_vendor.d/50_mesa.json"
export VIRGLDRM_DELEGATE="$libs/libvirglrenderer.so.1"
client() {
    VTEST_SOCKET_NAME=$work/socket GALLIUM_DRIVER=virpipe \
        timeout 60 "$loader" --library-path "$libs" "$work/gl" 20 "virgl (LLVMPIPE" 2>&1
}
# draw FLAGS...: two clients after one another, then two at once; what they drew is in $work/drawn.
draw() {
    start --use-egl-surfaceless "$@"
    within 10 test -S "$work/socket" || fail "the server does not listen"
    : >"$work/drawn"
    client >>"$work/drawn" && client >>"$work/drawn" || failed=1
    client >"$work/third" &
    client >>"$work/drawn" || failed=1
    wait $! || failed=1
    cat "$work/third" >>"$work/drawn"
    within 10 childless || fail "processes that served a client do not end"
    used=$(maps)
    kill "$server" || fail "the server is gone"
    end 143
}
echo "== virgl_test_server draws with Debian's library alone"
path=$libs
theirs=$(readlink -f "$libs/libvirglrenderer.so.1")
draw
verdict "the library in it is $(basename "$theirs")" "$(echo "$used" | grep -vFx "$theirs")"
cp "$work/drawn" "$work/alone"
head -n 1 "$work/alone"
path=$build:$libs
for flags in "" --no-fork --multi-clients; do
    echo "== virgl_test_server $flags draws with ours before Debian's"
    draw $flags
    case $flags in
    --no-fork) want=$(printf '%s\n' "$lib" "$theirs" | sort) ;;
    *) want=$lib ;; # the processes it forks load Debian's
    esac
    if [ "$used" = "$want" ]; then pass "the libraries in it:" $used; else fail "the libraries in it:" $used; fi
    verdict "four clients drew what they drew with Debian's alone" "$(diff "$work/alone" "$work/drawn")"
    verdict "Debian's library says nothing" "$(cat "$work/err")"
done
exit $failed
