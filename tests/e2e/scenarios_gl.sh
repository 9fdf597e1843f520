# Scenarios with the distribution's libvirglrenderer.so.1 behind ours: the console, OpenGL, Venus.
# shellcheck shell=sh
# `distribution` comes first: what the guest shows with that library alone, which the others are compared with.
all_gl="distribution console virgl-gles virgl-sdl virgl-resets venus"

# A machine whose screen can be looked at. The kernel's messages go there as well, and nothing blinks.
screen_vm() {
    delegate=
    case $display in egl-headless*) vm_options='-vnc unix:/run/out/vnc' ;; esac
    vm_words="console=tty0 console=ttyS0 printk.time=0 vt.global_cursor_default=0 VK_DRIVER_FILES=$icds/freedreno.json"
    start_vm
}
gl_vm() {
    initrd=initrd-gl
    screen_vm
}
# Venus finds the host's software Vulkan; in the guest, Turnip is the Vulkan driver where nothing else is said.
venus_vm() {
    device="$device,venus=on"
    vm_env=VK_DRIVER_FILES=$icds/lvp_icd.json
    gl_vm
}
# A window on an X server whose screen is a file. It opens in the middle, with 640x480 pixels, and then grows from there.
sdl_vm() {
    mkdir "$out/screen"
    chroot "$cache/host" Xvfb :7 -screen 0 1920x1120x24 -nocursor -nolisten tcp -fbdir /run/out/screen >"$out/x.log" 2>&1 3>&- 4>&- &
    xserver=$!
    display=sdl,gl=on vm_env='DISPLAY=:7 SDL_VIDEODRIVER=x11'
    timeout 20 sh -c "until [ -e $cache/host/tmp/.X11-unix/X7 ]; do sleep 0.1; done" || because "no X server; see x.log"
    gl_vm
}
sdl_power_off() {
    power_off
    kill "$xserver"
    wait "$xserver" || because "the X server ended with $?"
    xserver=
}
icds=/usr/share/vulkan/icd.d
# power_off, and the render server, which notices that its QEMU is gone, goes as well.
venus_power_off() {
    power_off
    timeout 10 sh -c 'while grep -q virgl_render /proc/[0-9]*/comm; do sleep 0.1; done' || because "the render server outlives QEMU"
}
venus() { must 60 "VK_DRIVER_FILES=$icds/virtio_icd.json $1"; }

# shows NAME FILE: within some seconds the screen has the pixels of FILE in the guest. NAME.png keeps them.
shows() {
    _name=$1
    must 20 "sha256sum <$2"
    _want=$(grep -ao '^[0-9a-f]\{64\} ' "$out/guest.log" | tail -n 1)
    await 20 pictured || because "the screen is not what the guest put there; look at $out/$1.png"
    [ "$(wc -c <"$out/$1.raw")" -eq $((1280 * 800 * 4)) ] || because "the screen is not 1280x800"
    rm "$out/$1.raw"
}
pictured() { picture "$_name" && [ "$(sha256sum <"$out/$_name.raw")" = "$_want -" ]; }
picture() {
    case $display in
    sdl*) set -- screen/Xvfb_screen0 "$1" 640 320 1280 800 ;;
    *) set -- vnc "$1" ;;
    esac
    (cd "$out" && "$logs/bin/picture" "$@") || because "there is no picture of the screen"
}

# same NAME: the picture is the distribution's.
same() {
    [ -s "$logs/distribution/$1" ] || because "there is nothing to compare with; run the scenario distribution as well"
    cmp -s "$out/$1" "$logs/distribution/$1" || because "$out/$1 differs from $logs/distribution/$1"
}

# More lines than the screen has, and the kernel's last words.
write_console() {
    must 20 'for i in $(seq 60); do echo "line $i of the console"; done >/dev/tty1; echo "<1>a word from the kernel" >/dev/kmsg'
    shows console /dev/fb0
}

# Frames with known pixels; `frames` keeps what they were drawn with and their checksum.
draw_frames() {
    must 60 'gltest 20'
    printed | grep -E '^gltest: .*(OpenGL|frames)' | tail -n 2 >"$out/frames"
    grep -q '^gltest: virgl (LLVMPIPE' "$out/frames" || because "OpenGL is not the host's: $(cat "$out/frames")"
}
# drawing ... draw_no_more: frames are drawn all the while.
drawing() { must 10 'gltest 1000000 >/tmp/gl 2>&1 & echo $! >/tmp/gl.pid; until grep -q OpenGL /tmp/gl; do sleep 0.1; done'; }
draw_no_more() {
    must 30 'kill $(cat /tmp/gl.pid); while [ -d /proc/$(cat /tmp/gl.pid) ]; do sleep 0.1; done; cat /tmp/gl; grep -q "gltest: PASS" /tmp/gl'
    note "meanwhile $(sed -n 's/^gltest: \(.* frames\) .*/\1/p' "$out/guest.log" | tail -n 1) of OpenGL"
}
show_frame() {
    must 60 'gltest show 20 >/tmp/show 2>&1 & echo $! >/tmp/shower; while ! grep shown /tmp/show; do [ -d /proc/$(cat /tmp/shower) ] || { cat /tmp/show; exit 1; }; sleep 0.1; done'
    shows frame /tmp/frame
    must 5 'kill $(cat /tmp/shower)'
}

# QEMU loads the library where the package manager put it, and it knows no native contexts.
s_distribution() {
    library_path= device=blob=on,hostmem=1G
    gl_vm
    write_console
    draw_frames
    show_frame
    loaded "/$multiarch/libvirglrenderer.so.1."
    power_off
}
loaded() {
    for _lib in "$@"; do
        grep -qF " $cache/host$_lib" "/proc/$vm/maps" || because "QEMU did not load $_lib"
    done
}
loaded_both() { loaded /run/vm/libvirglrenderer.so.1 "/$multiarch/libvirglrenderer.so.1."; }

s_console() {
    screen_vm
    write_console
    same console.png
    loaded_both
    power_off
}

# OpenGL by the distribution's library, first alone, then beside Vulkan by ours.
s_virgl_gles() {
    gl_vm
    write_console
    same console.png
    draw_frames
    same frames
    show_frame
    same frame.png
    sim gpu_us 300
    watch $held_up
    drawing
    must 200 'vktest -n 1000 -a 60 -t 4'
    unwatch
    draw_no_more
    must_release
    power_off
}

# This display has a GL context of its own on QEMU's main thread, and takes turns there with the guest's.
s_virgl_sdl() {
    sdl_vm
    drawing
    write_console
    same console.png
    works
    draw_no_more
    show_frame
    same frame.png
    draw_frames
    same frames
    sdl_power_off
}

# A reboot and a reset of the machine while both are in use. What comes first after it is not what came first before,
# so that an id that something has kept meets another kind of context.
s_virgl_resets() {
    venus_vm
    for reset in 'guest reboot' 'system reset'; do
        watch $held_up
        drawing
        long_job 6000000
        case $reset in
        guest*) echo "0 reboot -f" >&3 ;;
        system*) qmp system_reset ;;
        esac
        await_boot
        unwatch
        venus 'vktest fill'
        works
        write_console
        same console.png
        draw_frames
        same frames
    done
    await 20 idle || because "the job never ends"
    must_release
    venus_power_off
}

# Venus on the host's software Vulkan, through the distribution's render server, beside Turnip.
s_venus() {
    venus_vm
    venus 'vulkaninfo --summary'
    printed | grep -q '^deviceName = Virtio-GPU Venus (llvmpipe' || because "vulkaninfo does not show Venus on llvmpipe"
    venus 'vktest fill'
    works
    must_release
    venus_power_off
}
