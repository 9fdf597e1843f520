#!/bin/sh
# make.sh: makes what the virtual machine needs, in the cache, and does nothing the second time.
#   host       Debian forky's QEMU, its OpenGL module, software EGL and Mesa's Vulkan drivers, as a tree to chroot into
#   toolchain  a compiler and the libraries Mesa needs, likewise; Mesa's source
#   turnip     Mesa's Vulkan driver for Adreno, with the virtio kernel interface
#   guest      Debian trixie's kernel and an initramfs with Turnip, forky's driver for Apple GPUs, vulkaninfo and our
#              programs
set -eu
. "$(dirname "$0")/lib.sh"

host="qemu-system-x86 qemu-system-modules-opengl qemu-system-gui seabios ipxe-qemu libgl1-mesa-dri libegl1 libegl-mesa0
    libgles2 libgbm1 libdrm2 mesa-drm-shim coreutils virgl-server mesa-vulkan-drivers xvfb dash"
guest="linux-image-amd64 kmod busybox-static cpio dash xz-utils libc-bin vulkan-tools strace libvulkan1 libdrm2 libudev1
    libexpat1 libzstd1 zlib1g libstdc++6 libegl1 libgles2 libgbm1 libgl1-mesa-dri mesa-vulkan-drivers libegl-dev libgles-dev
    libgbm-dev libdrm-dev"
toolchain="gcc g++ libc6-dev linux-libc-dev meson ninja-build pkgconf bison flex glslang-tools python3-mako python3-yaml
    python3-packaging libdrm-dev libudev-dev zlib1g-dev libzstd-dev libexpat1-dev libvulkan-dev dash coreutils sed grep
    mawk findutils gzip tar xz-utils diffutils"
guest_suite=trixie

# made NAME KEY: what is in the cache was made from inputs with this key.
made() { [ -f "$cache/$1.key" ] && [ "$(cat "$cache/$1.key")" = "$2" ]; }

# tree NAME SUITE PACKAGE...
tree() {
    _name=$1 _suite=$2
    shift 2
    _key="$_suite $*"
    ! made "$_name" "$_key" || return 0
    step "$_name" "$root/build/fetch.sh" --deps "$_suite" "$cache/$_name" "$@"
    echo "$_key" >"$cache/$_name.key"
}

# Mesa's source archive, found through the same archive and keys as the packages of its suite.
fetch_source() {
    list=$debs/$guest_suite-amd64
    export APT_CONFIG="$list/apt.conf" LC_ALL=C
    new=$cache/source.new
    rm -rf "$new"
    mkdir -p "$new/lists/partial"
    sed 's/^deb /deb-src /' "$list/sources.list" >"$new/sources.list"
    set -- -q -o Dir::Etc::sourcelist="$new/sources.list" -o Dir::State::lists="$new/lists" -o Dir::Cache::pkgcache=
    apt-get "$@" update
    (cd "$new" && apt-get "$@" source --download-only mesa)
    rm -rf "$new/lists" "$cache/source"
    mv "$new" "$cache/source"
}
source_archive() { find "$cache/source" -name 'mesa_*.orig.tar.xz' 2>/dev/null; }

mkdir -p "$cache" "$logs/bin"
exec 8>"$cache/lock"
flock 8 # two runs do not build the same thing

# shellcheck disable=SC2086
{
    tree host forky $host
    tree guest-tree $guest_suite $guest
    tree toolchain $guest_suite $toolchain
}
[ -n "$(source_archive)" ] || step mesa-source fetch_source

key=$(hash "$here/turnip.sh" "$cache/toolchain/.fetched" "$cache/source"/*.dsc)
if ! made turnip "$key"; then
    echo "e2e: building Turnip takes some 5 minutes on 2 cores (progress: $logs/turnip.log)" >&2
    step turnip "$here/turnip.sh" "$cache/toolchain" "$(source_archive)" "$cache/libvulkan_freedreno.so"
    echo "$key" >"$cache/turnip.key"
fi

key=$key-$(hash "$here/initrd.sh" "$here"/guest/* "$cache/guest-tree/.fetched" "$cache/host/.fetched")
if ! made guest "$key"; then
    step guest "$here/initrd.sh" "$cache/guest-tree" "$cache/toolchain" "$cache/libvulkan_freedreno.so" "$cache/host" \
        "$cache/guest"
    echo "$key" >"$cache/guest.key"
fi

key=$key-$(hash "$here/initrd_gl.sh")
if ! made guest-gl "$key"; then
    step guest-gl "$here/initrd_gl.sh" "$cache/guest-tree" "$cache/toolchain" "$cache/guest"
    echo "$key" >"$cache/guest-gl.key"
fi

c() { ${CC:-cc} -std=gnu11 -O2 -g -Wall -Wextra -Wshadow -Werror -I"$root/tests/sim" "$@"; }
programs() {
    for program in qmp picture; do
        c -o "$logs/bin/$program" "$here/$program.c"
    done
    for object in simctl nofixed shimprime; do
        c -fPIC -shared -o "$logs/bin/$object.so" "$here/$object.c" -ldl -lpthread
    done
}
programs
