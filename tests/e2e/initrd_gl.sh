#!/bin/sh
# initrd_gl.sh TREE TOOLCHAIN OUT: makes OUT/initrd-gl, which is OUT/initrd with Mesa's OpenGL and Venus drivers behind it.
# They are large, and a guest without them boots faster. TREE and TOOLCHAIN are as in initrd.sh.
set -eu
. "$(dirname "$0")/lib.sh"
[ -n "${E2E_INSIDE:-}" ] || in_namespace "$@"
tree=$1 toolchain=$2 out=$3

mount_tree "$tree"
mount_tree "$toolchain"
mkdir "$toolchain/tmp/src" "$toolchain/tmp/tree"
mount --bind "$tree" "$toolchain/tmp/tree"
cp "$here"/guest/gl*.[ch] "$toolchain/tmp/src/"
r=$tree/tmp/initrd
mkdir -p "$r/usr/bin" "$r/$multiarch/gbm" "$r/usr/share/glvnd" "$r/usr/share/vulkan/icd.d"
libs=/tmp/tree/$multiarch
chroot "$toolchain" env -i PATH=/usr/bin gcc -std=gnu11 -O2 -Wall -Wextra -Wshadow -Werror -o /tmp/gltest \
    /tmp/src/gltest.c /tmp/src/glframe.c -idirafter /tmp/tree/usr/include -I/usr/include/libdrm \
    -L"$libs" -Wl,-rpath-link,"$libs" -lEGL -lGLESv2 -lgbm -ldrm
cp "$toolchain/tmp/gltest" "$r/usr/bin/"
cp "$tree/$multiarch/gbm/dri_gbm.so" "$r/$multiarch/gbm/"
cp "$tree/$multiarch/libEGL_mesa.so.0" "$tree/$multiarch/libvulkan_virtio.so" "$r/$multiarch/"
cp -r "$tree/usr/share/glvnd/egl_vendor.d" "$r/usr/share/glvnd/"
cp "$tree/usr/share/vulkan/icd.d/virtio_icd.json" "$r/usr/share/vulkan/icd.d/"

in_tree() { chroot "$tree" env -i PATH=/usr/sbin:/usr/bin LC_ALL=C "$@"; }
loader=/$multiarch/ld-linux-x86-64.so.2
for elf in usr/bin/gltest "$multiarch/libEGL_mesa.so.0" "$multiarch/gbm/dri_gbm.so" "$multiarch/libvulkan_virtio.so"; do
    in_tree "$loader" --list "/tmp/initrd/$elf" >"$tree/tmp/libs" || { echo "$elf lacks a library:"; cat "$tree/tmp/libs"; exit 1; }
    awk '$2 == "=>" { print $3 }' "$tree/tmp/libs" >>"$tree/tmp/all"
done
sort -u "$tree/tmp/all" | while read -r lib; do
    cp -L "$tree$lib" "$r/$multiarch/"
done
(cd "$r" && find . | LC_ALL=C sort) >"$tree/tmp/list"
in_tree sh -c 'cd /tmp/initrd && cpio --quiet -o -H newc -R 0:0 </tmp/list' >"$tree/tmp/archive"
cat "$out/initrd" "$tree/tmp/archive" >"$out/initrd-gl.new"
mv "$out/initrd-gl.new" "$out/initrd-gl"
ls -l "$out"
