# The scenarios: s_NAME runs in a shell of its own, ends with `because` or at the first command that fails.
# shellcheck shell=sh
all="vulkaninfo vulkaninfo-full vktest host-memory kill-in-flight guest-reboot system-reset gpu-hang gpu-fault
    out-of-memory exit-in-flight daemonize sandbox map-fallback mesa-shim asahi asahi-kill-in-flight asahi-shim"

# A main loop that waits for a job of six seconds shows; a machine that is busy with other things does not.
held_up=3000

# Jobs in flight are running in the simulation, and never end by themselves within a scenario.
in_flight() { [ "$(counter running)" -gt 0 ]; }
long_job() {
    sim gpu_us "$1"
    must 20 'vktest job >/tmp/job 2>&1 & echo $! >/tmp/pid'
    await 20 in_flight || because "no job reached the GPU"
}
idle() { [ "$(counter running)" = 0 ]; }
# All that processes had on the host is gone. The one open file left is the display's.
released() { case "$(control counters)" in "files=1 bos=0 handles=0 queues=0 vms=0 running=0 "*) ;; *) false ;; esac; }
must_release() { await 15 released || because "the host keeps what an ended process had: $(control counters)"; }
# The next process works.
works() {
    sim gpu_us 0
    must 60 'vktest -n 20 -a 12'
}

# golden NAME: the lines on stdin are those of golden/NAME.
golden() {
    cat >"$out/$1"
    cmp -s "$here/golden/$1" "$out/$1" || because "$out/$1 differs from $here/golden/$1"
}
# What the last command printed, without blanks at the ends of lines.
printed() { sed -n '/guest: ready/,$p' "$out/guest.log" | tr -d '\r' | sed 's/^[[:space:]]*//; s/[[:space:]]*=/ =/'; }

s_vulkaninfo() {
    start_vm
    must 60 'vulkaninfo --summary'
    printed | sed -n '/^GPU0:/,/^conformance/p' | golden summary
    power_off
}

# Sizes of heaps follow the guest's memory and are left out.
s_vulkaninfo_full() {
    start_vm
    must 120 vulkaninfo
    printed | sed -n '/^memoryHeaps/,/^Vk/p' | grep -E '^(memory|MEMORY|flags|heapIndex|propertyFlags)' | golden memory
    for want in 'maxImageDimension2D = 16384' 'queueCount = 1' 'VK_EXT_external_memory_dma_buf ' 'VK_KHR_timeline_semaphore '; do
        printed | grep -qF "$want" || because "vulkaninfo does not show: $want"
    done
    power_off
}

s_vktest() {
    vm_env=DRMSIM_GPU_US=300
    start_vm
    must 300 'vktest -n 10000 -a 120 -t 4'
    note "$(sed -n 's/^vktest: \(10000 of .*\)/\1/p' "$out/guest.log" | tr -d '\r' | paste -sd';')"
    must_release
    power_off
}

# The guest's writes to mapped memory reach the buffer the GPU's driver has, and the other way round.
s_host_memory() {
    start_vm
    must 20 'vktest host >/tmp/host 2>&1 & echo $! >/tmp/pid'
    must 20 'until grep -q wrote /tmp/host; do sleep 0.1; done'
    found=$(control answer 68656c6f)
    [ "$found" = 1 ] || because "$found buffers of the simulated driver hold what the guest wrote, not 1"
    must 30 'while [ -e /proc/$(cat /tmp/pid) ]; do sleep 0.1; done; cat /tmp/host; grep -q answered /tmp/host && ! grep FAILED /tmp/host'
    must_release
    power_off
}

# The next process does not wait for the killed one's job either.
kill_beside_next() {
    long_job 10000000
    watch $held_up
    must 5 'kill -9 $(cat /tmp/pid)'
    must 9 'vulkaninfo --summary'
    in_flight || because "the next process came up only when the killed one's job was done"
    unwatch
    works
}

# Nothing of QEMU may wait for the killed process's job. Other programs can delay QEMU as well, but hardly three times.
s_kill_in_flight() {
    start_vm
    for attempt in 1 2 3; do
        long_job 10000000
        watch 100
        must 5 'kill -9 $(cat /tmp/pid)'
        await 20 idle || because "the job never ends"
        ! watched || break
        [ $attempt -lt 3 ] || because "QEMU's main loop was held up three times, last: $(cat "$out/watch.log")"
    done

    kill_beside_next
    must_release
    power_off
}

# COMMAND...: starts the machine anew, each time with a job in flight.
restarts_by() {
    start_vm
    watch $held_up
    for _round in 1 2 3; do
        long_job 6000000
        "$@"
        await_boot
        works
    done
    await 20 idle || because "the job never ends"
    must_release
    unwatch
    power_off
}
reboot_guest() { echo "0 reboot -f" >&3; }
s_guest_reboot() { restarts_by reboot_guest; }
s_system_reset() { restarts_by qmp system_reset; }

# The GPU stops for good: the process may time out and die, and the next one works once the kernel has recovered.
s_gpu_hang() {
    start_vm
    watch $held_up
    sim hang
    rc=0
    guest 30 'vktest job 2' || rc=$?
    [ $rc -eq 3 ] || because "the job on a hung GPU ended with $rc, not with a timeout"
    must 20 'vktest job >/tmp/job 2>&1 & echo $! >/tmp/pid'
    await 20 in_flight || because "no job reached the GPU"
    must 5 'kill -9 $(cat /tmp/pid)'
    sim unhang
    works
    must_release
    unwatch
    power_off
}

# A job dies of a fault: its process learns that the device is lost, another one works.
s_gpu_fault() {
    start_vm
    sim hang
    must 20 '(vktest job; echo "ended with $?") >/tmp/job 2>&1 &'
    await 20 in_flight || because "no job reached the GPU"
    sim fault
    sim unhang
    must 30 'until grep "ended with" /tmp/job; do sleep 0.1; done; grep -q "ended with 4" /tmp/job'
    works
    must_release
    power_off
}

# The host's kernel has no memory for buffers: the process fails, it does not hang, and the next one works.
s_out_of_memory() {
    start_vm
    watch $held_up
    for nth in 1 4 7; do
        sim fail GEM_NEW nth=$nth errno=ENOMEM count=1000
        rc=0
        guest 60 'vktest -n 20 -a 12' || rc=$?
        [ $rc -ne 0 ] || because "vktest succeeds without memory (from buffer $nth on)"
        sim fail GEM_NEW nth=1 errno=ENOMEM count=0
        works
        must_release
    done
    unwatch
    power_off
}

# QEMU ends with a context alive and a job in flight; it never calls cleanup.
s_exit_in_flight() {
    start_vm
    long_job 60000000
    start=$(date +%s)
    qmp quit
    ended
    [ $(($(date +%s) - start)) -le 2 ] || because "QEMU waits for the job before it ends"
}

s_daemonize() {
    vm_options='-daemonize -pidfile /run/out/pid'
    start_vm
    works
    must_release
    power_off
}

s_sandbox() {
    vm_options='-sandbox on,spawn=deny,resourcecontrol=deny'
    start_vm
    grep -q '^Seccomp:.*2' "/proc/$vm/status" || because "QEMU runs without its sandbox"
    must 60 'vulkaninfo --summary'
    works
    must_release
    power_off
}

# A library without map_fixed makes QEMU use map.
s_map_fallback() {
    preload="/run/vm/nofixed.so $preload"
    start_vm
    must 120 'vktest -n 200 -a 60 -t 4'
    grep -q 'map_fixed refused' "$out/qemu.log" || because "QEMU did not try map_fixed"
    must_release
    power_off
}

# The same on a device no one here wrote. It cannot be steered, so nothing is counted.
s_mesa_shim() {
    preload="/run/vm/shimprime.so /$multiarch/libfreedreno_noop_drm_shim.so"
    vm_env=FD_GPU_ID=660
    start_vm
    must 120 'vktest -n 200 -a 60 -t 4'
    power_off
}

# An Apple GPU, with Debian's own guest driver. A job fails if its commands are not bound where the guest wants them.
s_asahi() {
    vm_env='DRMSIM_GPU_US=300 DRMSIM_REPORT=/run/out/report'
    asahi
    start_vm
    must 60 'vulkaninfo --summary'
    printed | sed -n '/^GPU0:/,/^driverName/p' | grep -v Version | golden asahi-summary # versions follow Debian forky
    must 300 'vktest -n 500 -a 120 -t 4'
    note "$(sed -n 's/^vktest: \(500 of .*\)/\1/p' "$out/guest.log" | tr -d '\r' | paste -sd';')"
    [ "$(counter done)" -ge 1500 ] || because "only $(counter done) jobs reached the GPU"
    [ "$(counter failed)" = 0 ] || because "$(counter failed) jobs found nothing bound"
    must_release
    sim hang
    rc=0
    guest 30 'vktest job 2' || rc=$?
    [ $rc -eq 3 ] || because "the job on a hung GPU ended with $rc, not with a timeout"
    sim unhang
    must_release
    power_off
    for call in EXPORT_SYNC_FILE IMPORT_SYNC_FILE; do # implicit fences of what vktest shares
        grep -q " $call=" "$out/report" || because "no $call reached the kernel"
    done
}

s_asahi_kill_in_flight() {
    asahi
    start_vm
    kill_beside_next
    await 20 idle || because "the job never ends"
    must_release
    power_off
}

s_asahi_shim() {
    preload="/run/vm/shimprime.so /$multiarch/libasahi_noop_drm_shim.so"
    asahi
    start_vm
    must 120 'vktest -n 200 -a 60 -t 4'
    power_off
}
