#!/bin/sh
# turnip.sh TREE SOURCE OUT: builds Turnip with the virtio kernel interface, which Debian's own package lacks.
# TREE has the compiler and the libraries; SOURCE is Mesa's source archive; OUT receives libvulkan_freedreno.so.
set -eu
. "$(dirname "$0")/lib.sh"
[ -n "${E2E_INSIDE:-}" ] || in_namespace "$@"
tree=$1 source=$2 out=$3

mount_tree "$tree"
work=$tree/tmp
mkdir "$work/mesa"
tar -xf "$source" -C "$work/mesa" --strip-components=1

# Only Turnip: no OpenGL, no window systems, no other driver.
off=
for feature in gles1 gles2 glx egl gbm glvnd llvm shared-llvm valgrind libunwind lmsensors shader-cache; do
    off="$off -D$feature=disabled"
done
# shellcheck disable=SC2086
chroot "$tree" env -i PATH=/usr/bin HOME=/tmp LC_ALL=C.UTF-8 CC=gcc CXX=g++ \
    meson setup /tmp/out /tmp/mesa --buildtype=release --wrap-mode=nodownload \
    -Dvulkan-drivers=freedreno -Dfreedreno-kmds=msm,virtio \
    -Dgallium-drivers= -Dplatforms= -Dvulkan-layers= -Dvideo-codecs= -Dtools= -Dopengl=false -Dbuild-tests=false $off
driver=src/freedreno/vulkan/libvulkan_freedreno.so
chroot "$tree" env -i PATH=/usr/bin HOME=/tmp LC_ALL=C.UTF-8 nice ninja -j "$(nproc)" -C /tmp/out $driver
chroot "$tree" strip /tmp/out/$driver
cp "$work/out/$driver" "$out"
