#!/bin/sh
# stock.sh OUT.so: the library as plain `go build -buildmode=c-shared` makes it: the runtime starts when it is loaded, the
# standard library is unedited, no setting is baked in. Some of the cases must fail with it.
set -eu
[ $# -eq 1 ] || { echo "usage: tests/host/stock.sh OUT.so" >&2; exit 2; }
out=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
${CC:-cc} -std=gnu11 -O2 -Wall -Wextra -Wshadow -Werror -fPIC -c -o "$work/stock.o" tests/host/stock.c
CGO_ENABLED=1 go build -buildmode=c-shared -trimpath -buildvcs=false -o "$work/stock.so" -ldflags "-extldflags '$work/stock.o -Wl,-z,nodelete'" ./capi
mv "$work/stock.so" "$out"
