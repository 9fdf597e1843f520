#!/bin/sh
# The build takes a Go that Go fetched, and says in one sentence what it cannot be done with: another Go version, a standard
# library to which the overlay does not apply, a library whose runtime would start when it is loaded.
set -eu
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# As if Go were installed: one from the module cache would be called instead of the one below.
PATH="$(go env GOROOT)/bin:$PATH"
export PATH GOTOOLCHAIN=local GOMODCACHE="$work/modules"

# A Go that is not quite as it should be, by environment variable.
mkdir "$work/bin"
cat >"$work/bin/go" <<SCRIPT
#!/bin/sh
case "\$*" in
"env GOVERSION") [ -z "\$FAKE_VERSION" ] || { echo "\$FAKE_VERSION"; exit; } ;;
"env GOROOT") [ -z "\$FAKE_ROOT" ] || { echo "\$FAKE_ROOT"; exit; } ;;
build*)
    for arg; do
        shift
        set -- "\$@" "\$(echo "\$arg" | sed "s|-T,[^\"]*|-T,\${FAKE_SCRIPT:-$PWD/build/defer.lds}|")"
    done
    ;;
esac
exec "$(command -v go)" "\$@"
SCRIPT
chmod +x "$work/bin/go"
failed=0
build() {
    env PATH="$work/bin:$PATH" FAKE_VERSION= FAKE_ROOT= FAKE_SCRIPT= "$@" OUT="$work/out" build/lib.sh >"$work/log" 2>&1
}
verdict() {
    cat "$work/log"
    echo "$1 $2"
    [ "$1" = PASS ] || failed=$((failed + 1))
}
refuses() { # WHAT SENTENCE VARIABLE=VALUE...
    what=$1 sentence=$2; shift 2
    if ! build "$@" && [ "$(wc -l <"$work/log")" -eq 1 ] && grep -q "$sentence" "$work/log"; then
        verdict PASS "refuses $what"
    else
        verdict FAIL "should refuse $what in one line with \"$sentence\""
    fi
}

if build; then verdict PASS "builds with Go as it is"; else verdict FAIL "should build with Go as it is"; fi
# Overlays are refused in the module cache, where a Go lies that another fetched.
if build GOMODCACHE="$(dirname "$(go env GOROOT)")"; then verdict PASS "builds with Go in the module cache"
else verdict FAIL "should build with Go in the module cache"; fi

refuses "another version of Go" "^lib.sh: this is go1.99.1, and .* install" FAKE_VERSION=go1.99.1

root=$(go env GOROOT)
for file in syscall/rlimit.go runtime/mem_linux.go runtime/cgroup_linux.go runtime/sigtab_linux_generic.go; do
    mkdir -p "$work/root/src/$(dirname $file)"
    cp "$root/src/$file" "$work/root/src/$file"
done
sed -i 's/_MADV_NOHUGEPAGE/_MADV_HUGEPAGE/' "$work/root/src/runtime/mem_linux.go"
refuses "an edit that does not apply" "^overlay.sh: the edit of runtime/mem_linux.go does not fit" FAKE_ROOT="$work/root"

sed 's/go\.o(\.init_array)/gone.o(.init_array)/' build/defer.lds >"$work/gone.lds"
refuses "a library that would start Go when loaded" "^lib.sh: _rt0_.* is called from .* would start when" FAKE_SCRIPT="$work/gone.lds"

echo "$failed failed"
[ "$failed" -eq 0 ]
