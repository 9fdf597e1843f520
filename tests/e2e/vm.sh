#!/bin/sh
# vm.sh: boots the guest on a simulated GPU and shows what its Vulkan sees.
#   GPU=asahi             an Apple M1 instead of the Adreno
#   CMD='vktest -n 50'    runs that instead
#   SHELL_ON_SERIAL=1     gives a shell in the guest, on the serial line; ctrl-a x ends the machine
#   LIB=FILE              another libvirglrenderer.so.1
set -eu
. "$(dirname "$0")/lib.sh"
. "$here/machine.sh"

if [ -z "${E2E_INSIDE:-}" ]; then
    "$here/make.sh"
    in_namespace "$@"
fi

prepare_host "${LIB:-$root/build/libvirglrenderer.so.1}"
out "$logs/vm"
case ${GPU:-msm} in
asahi) asahi ;;
msm) ;;
*) die "GPU=$GPU is none of msm and asahi" ;;
esac
if [ -n "${SHELL_ON_SERIAL:-}" ]; then
    vm_words="$vm_words guest.do=shell"
    qemu -chardev stdio,id=serial,mux=on,signal=off -serial chardev:serial 2>"$out/qemu.log"
fi
trap '[ ! -s "$out/reason" ] || { echo "vm.sh: $(cat "$out/reason") in $out" >&2; tail -n 5 "$out/qemu.log" >&2; }' EXIT
start_vm
grep -a '^guest:' "$out/guest.log"
lines=$(wc -l <"$out/guest.log")
rc=0
guest 3600 "${CMD:-vulkaninfo --summary}" || rc=$?
tail -n +"$((lines + 1))" "$out/guest.log" | grep -av '^guest: done'
power_off
exit $rc
