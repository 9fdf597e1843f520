#!/bin/sh
# Shows that the replayer sees what it is for: one wrong answer of the library
# is a difference, and a damaged recording is refused with the line's number.
#   replay_breaks.sh REPLAY BREAKER RECORDING.vrec.xz   (on the simulator, see Makefile)
set -u
replay=$1 breaker=$2 recording=$3
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
bad=0

# expect NAME EXIT-CODE PATTERN OUTPUT RC
expect() {
    seen=$(echo "$4" | grep -e "$3" | head -n 1 | sed "s|$dir/||")
    if [ "$5" -eq "$2" ] && [ -n "$seen" ]; then
        echo "PASS $1: exit $5: $seen"
    else
        echo "FAIL $1: exit $5, expected $2 with \"$3\": $4"
        bad=1
    fi
}

library() { # NAME PATTERN: break the library there
    out=$(BREAK=$1 "$replay" --lib "$breaker" "$recording" 2>&1)
    expect "library breaks: $1" 1 "$2" "$out" $?
}
out=$("$replay" --lib "$breaker" "$recording" 2>&1)
expect "library breaks: nothing" 0 "0 differences" "$out" $?
library response "rsp"
library seqno "seqno"
library beside "memory"
library capset "capset"
library return "result"
library fence-lost "fence"
library fence-twice "fence"
library fence-ring "fence"
library fence-early "fence"

damaged() { # NAME PATTERN SED-SCRIPT: damage the recording so
    xz -dc "$recording" | sed "$3" >"$dir/changed.vrec"
    out=$("$replay" --lib "$breaker" "$dir/changed.vrec" 2>&1)
    expect "recording damaged: $1" 2 "$2" "$out" $?
}
line=$(xz -dc "$recording" | grep -n ' submit_cmd-enter ' | head -n 1 | cut -d: -f1)
damaged "half a command buffer" "changed.vrec:$line" "${line}s/\(data=....................\).*/\1/"
damaged "an odd digit" "changed.vrec:$line" "${line}s/data=../data=0x/"
damaged "an unknown event" "changed.vrec:$line" "${line}s/submit_cmd-enter/submit_cmd-exit/"
damaged "cut short" changed.vrec '$d'
exit $bad
