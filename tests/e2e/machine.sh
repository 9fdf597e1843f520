# The virtual machine, for scripts that run inside the namespace (lib.sh): start_vm and what can be done with it.
# shellcheck shell=sh
# What a scenario may set before start_vm: delegate (VIRGLDRM_DELEGATE: none, a path in the chroot, or nothing for the
# distribution's), preload (objects in front of the library, paths in the chroot), vm_env (NAME=VALUE words), vm_options
# (of QEMU), vm_words (of the kernel's command line), device (options of the GPU), initrd (initrd-gl has OpenGL),
# library_path (where our library is; without it QEMU loads the distribution's), display (QEMU's, one that does EGL).

delegate=none
preload='/run/vm/libdrmsim.so /run/vm/simctl.so' vm_env= vm_options= vm_words=
device=blob=on,hostmem=1G,drm_native_context=on initrd=initrd library_path=/run/vm
display=egl-headless,rendernode=/dev/dri/renderD128

# asahi: the GPU is one of Apple's.
asahi() {
    vm_env="$vm_env DRMSIM_DRIVER=asahi"
    vm_words="$vm_words guest.gpu=asahi"
}

# prepare_host LIBRARY: the chroot QEMU runs in, with a copy of what is tested in /run/vm.
prepare_host() {
    for _file in "$1" "$root/build/libdrmsim.so"; do
        [ -f "$_file" ] || die "$_file is missing; build it with \`make lib sim\`"
    done
    mount_tree "$cache/host"
    mount -t tmpfs -o mode=755 run "$cache/host/run"
    mkdir "$cache/host/run/vm" "$cache/host/run/guest" "$cache/host/run/out"
    cp -L "$1" "$cache/host/run/vm/libvirglrenderer.so.1"
    cp "$root/build/libdrmsim.so" "$logs"/bin/*.so "$cache/host/run/vm/"
    mount --bind "$cache/guest" "$cache/host/run/guest"
}

# out DIR: where logs go from now on; the chroot sees it as /run/out.
out() {
    out=$1
    rm -rf "$out"
    mkdir -p "$out"
    ! mountpoint -q "$cache/host/run/out" || umount "$cache/host/run/out"
    mount --bind "$out" "$cache/host/run/out"
}

# qemu ARGS...: QEMU in the chroot, with a native-context GPU and the guest. QEMU asks for a display that does EGL, which
# Mesa does in software; the usual one has no window and is on the simulated node.
qemu() {
    # shellcheck disable=SC2086
    exec chroot "$cache/host" env -i PATH=/usr/bin HOME=/tmp XDG_RUNTIME_DIR=/tmp LC_ALL=C \
        GBM_ALWAYS_SOFTWARE=1 LIBGL_ALWAYS_SOFTWARE=1 LP_NUM_THREADS=0 \
        VIRGL_LOG_LEVEL="${VIRGL_LOG_LEVEL:-info}" $vm_env \
        VIRGLDRM_DELEGATE="$delegate" LD_LIBRARY_PATH="$library_path" LD_PRELOAD="$preload" \
        qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2 -m 1024 -nodefaults -monitor none \
        -display "$display" \
        -device "virtio-gpu-gl-pci,$device" \
        -kernel /run/guest/vmlinuz -initrd "/run/guest/$initrd" \
        -append "console=ttyS0 quiet panic=-1 tsc=reliable no_timer_check random.trust_cpu=on mitigations=off $vm_words" \
        "$@" $vm_options
}

# start_vm: boots the guest in the background and returns once it takes commands.
start_vm() {
    mkfifo "$out/serial.in" "$out/control"
    exec 3<>"$out/serial.in" 4<>"$out/control"
    : >"$out/control.answers"
    asked=0
    vm_env="$vm_env E2E_CONTROL=/run/out/control"
    qemu -chardev file,id=serial,path=/run/out/guest.log,input-path=/run/out/serial.in -serial chardev:serial \
        -qmp unix:/run/out/qmp,server=on,wait=off -qmp unix:/run/out/watch,server=on,wait=off \
        3>&- 4>&- >"$out/qemu.log" 2>&1 </dev/null &
    vm=$!
    boots=0
    case $vm_options in
    *-daemonize*)
        wait "$vm" || because "QEMU did not start; see qemu.log"
        vm=$(cat "$out/pid")
        ;;
    esac
    await_boot
}

# await_boot: the guest is ready, again after a reboot.
await_boot() {
    boots=$((boots + 1))
    await 120 booted || because "the guest did not come up; see guest.log and qemu.log"
}
booted() { [ "$(count 'guest: ready')" -ge "$boots" ]; }
count() { grep -acF "$1" "$out/guest.log" 2>/dev/null || [ $? -eq 1 ] || echo 0; }
running() { [ -n "$vm" ] && { read -r _ _ _state _ <"/proc/$vm/stat"; } 2>/dev/null && [ "$_state" != Z ]; }

# await SECONDS TEST...: repeats the test until it is true; false when that takes too long or QEMU ends meanwhile.
await() {
    _end=$(($(date +%s) + $1))
    shift
    until "$@"; do
        running && [ "$(date +%s)" -lt $_end ] || { "$@"; return; }
        sleep 0.05
    done
}

# because REASON...: fails the scenario.
because() {
    echo "$*" >"$out/reason"
    exit 1
}

# guest SECONDS COMMAND: runs it in the guest; its exit code. Output: guest.log.
guest() {
    asked=$((asked + 1))
    _n=$asked _limit=$1
    echo "$_n $2" >&3
    await "$_limit" answered || {
        running || because "QEMU ended during \`$2\`; see qemu.log"
        because "no end of \`$2\` in the guest within $_limit s"
    }
    return "$(sed -n "s/^.*guest: done $_n \([0-9]*\).*/\1/p" "$out/guest.log" | head -n 1)"
}
answered() { grep -aqE "guest: done $_n [0-9]" "$out/guest.log"; }

# must SECONDS COMMAND: as guest, and it must succeed.
must() { guest "$@" || because "\`$2\` ended with $? in the guest"; }

# control COMMAND...: steers the simulated GPU; prints its answer.
control() {
    _before=$(wc -l <"$out/control.answers")
    echo "$*" >&4
    await 10 control_answered || because "the simulation does not answer \`$*\`"
    tail -n 1 "$out/control.answers"
}
control_answered() { [ "$(wc -l <"$out/control.answers")" -gt "$_before" ]; }
# sim COMMAND...: as control, for commands that answer 0.
sim() { [ "$(control "$*")" = 0 ] || because "the simulation refuses \`$*\`"; }
# counter NAME: what is alive in the simulation.
counter() { control counters | tr ' ' '\n' | sed -n "s/^$1=//p"; }

# Sockets are named from inside their directory: the whole name may be too long for one.
qmp() { (cd "$out" && "$logs/bin/qmp" qmp "$@" >>qmp.log) || because "QMP command $1 failed; see qmp.log"; }

# watch MS ... unwatch: QEMU's main loop must answer within that time all the while.
watch() {
    (cd "$out" && exec "$logs/bin/qmp" watch watch "$1" >watch.log 2>&1) &
    watcher=$!
    # A busy machine must not count: all threads of both go before other programs.
    # shellcheck disable=SC2046
    renice -n -10 -p $(ls "/proc/$vm/task") "$watcher" >/dev/null 2>&1 ||
        note "no right to raise priorities: what else runs here counts as well"
}
unwatch() { watched || because "QEMU's main loop was held up: $(cat "$out/watch.log")"; }
# watched: ends the watch; false when an answer came too late.
watched() {
    _watcher=$watcher watcher= _rc=0
    kill "$_watcher"
    wait "$_watcher" || _rc=$?
    note "main loop: $(cat "$out/watch.log")"
    return $_rc
}
# note TEXT: shown with the scenario's result.
note() { echo "$*" >>"$out/notes"; }

# ended: QEMU has ended, with code 0 as far as that can be known.
ended() {
    await 20 not running || because "QEMU does not end"
    case $vm_options in
    *-daemonize*)
        timeout 10 sh -c "while [ -e /proc/$vm ]; do sleep 0.05; done" || because "QEMU ended but is still there"
        ;;
    *)
        wait "$vm" || because "QEMU ended with $?; see qemu.log"
        ;;
    esac
    vm=
}
not() { ! "$@"; }

# power_off: the guest powers off, and QEMU ends well.
power_off() {
    echo "0 sync; poweroff -f" >&3
    ended
}
