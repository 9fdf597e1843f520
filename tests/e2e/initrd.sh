#!/bin/sh
# initrd.sh TREE TOOLCHAIN TURNIP NEWER OUT: makes the guest. OUT receives vmlinuz and initrd.
# TREE has the kernel and what runs in the guest, TOOLCHAIN compiles our programs, TURNIP is libvulkan_freedreno.so.
# NEWER, a tree of a later suite, has Mesa's driver for Apple GPUs: TREE's speaks an abandoned protocol.
set -eu
. "$(dirname "$0")/lib.sh"
[ -n "${E2E_INSIDE:-}" ] || in_namespace "$@"
tree=$1 toolchain=$2 turnip=$3 newer=$4 out=$5

mount_tree "$toolchain"
mkdir "$toolchain/tmp/src"
cp "$here"/guest/*.[ch] "$toolchain/tmp/src/"
compile() { # compile PROGRAM FILES...
    _name=$1 _files=
    shift
    for _f in "$@"; do _files="$_files /tmp/src/$_f"; done
    # shellcheck disable=SC2086
    chroot "$toolchain" env -i PATH=/usr/bin gcc -std=gnu11 -O2 -Wall -Wextra -Wshadow -Werror \
        -o "/tmp/$_name" $_files $libraries
}
libraries="-lvulkan -lpthread"
compile vktest vktest.c vkdevice.c vksteps.c vkhost.c
compile capprobe capprobe.c
libraries="-shared -fPIC -I/usr/include/libdrm -Wl,--no-as-needed -ldrm" # loaded before the driver asks for it
compile asplatform.so asplatform.c

mount_tree "$tree"
in_tree() { chroot "$tree" env -i PATH=/usr/sbin:/usr/bin LC_ALL=C "$@"; }
r=$tree/tmp/initrd
mkdir -p "$r/usr/bin" "$r/$multiarch" "$r/usr/share/vulkan/icd.d" "$r/modules"
mkdir "$r/dev" "$r/proc" "$r/sys" "$r/tmp" "$r/run" "$r/root" "$r/etc"
ln -s usr/bin "$r/bin"
ln -s usr/lib "$r/lib"
ln -s usr/lib "$r/usr/lib64"
ln -s usr/lib "$r/lib64"
cp "$toolchain/tmp/vktest" "$toolchain/tmp/capprobe" "$tree/usr/bin/vulkaninfo" "$tree/usr/bin/strace" "$r/usr/bin/"
cp "$turnip" "$r/$multiarch/"
cp "$tree/usr/bin/busybox" "$r/usr/bin/"
in_tree busybox --list | while read -r applet; do
    [ -e "$r/usr/bin/$applet" ] || ln -s busybox "$r/usr/bin/$applet"
done
cat >"$r/usr/share/vulkan/icd.d/freedreno.json" <<JSON
{ "file_format_version": "1.0.0",
  "ICD": { "api_version": "1.3.0", "library_path": "/$multiarch/libvulkan_freedreno.so" } }
JSON

# The libraries all of that needs, as the guest's own loader finds them.
loader=/usr/lib64/ld-linux-x86-64.so.2
[ -e "$tree$loader" ] || loader=/$multiarch/ld-linux-x86-64.so.2
cp -L "$tree$loader" "$r/usr/lib/"
for elf in /usr/bin/vktest /usr/bin/capprobe /usr/bin/vulkaninfo /usr/bin/strace "/$multiarch/libvulkan_freedreno.so"; do
    in_tree "$loader" --list "/tmp/initrd$elf" >"$tree/tmp/libs" || { echo "$elf lacks a library:"; cat "$tree/tmp/libs"; exit 1; }
    awk '$2 == "=>" { print $3 }' "$tree/tmp/libs" >>"$tree/tmp/all"
done
sort -u "$tree/tmp/all" | while read -r lib; do
    cp -L "$tree$lib" "$r/$multiarch/"
done

# The driver for Apple GPUs stays apart with its libraries, which are newer as well; all but the C library.
apple=usr/lib/asahi
mkdir "$r/$apple"
cp "$newer/$multiarch/libvulkan_asahi.so" "$toolchain/tmp/asplatform.so" "$r/$apple/"
cat >"$r/$apple/icd.json" <<JSON
{ "file_format_version": "1.0.0", "ICD": { "api_version": "1.3.0", "library_path": "/$apple/libvulkan_asahi.so" } }
JSON
chroot "$newer" "$loader" --list "/$multiarch/libvulkan_asahi.so" >"$tree/tmp/libs"
awk '$2 == "=>" && $1 !~ /^lib[cm]\.so/ { print $3 }' "$tree/tmp/libs" | while read -r lib; do
    cp -L "$newer$lib" "$r/$apple/"
done

# The driver and the modules it needs, numbered in the order to load them.
kernel=$(ls "$tree/usr/lib/modules")
[ -e "$tree/usr/lib/modules/$kernel/modules.dep" ] || in_tree depmod "$kernel"
in_tree modprobe -S "$kernel" --show-depends virtio-gpu >"$tree/tmp/modules"
number=100
for module in $(awk '$1 == "insmod" { print $2 }' "$tree/tmp/modules"); do
    name=$(basename "$module" .xz)
    in_tree xz -dc "$module" >"$r/modules/$number-$name"
    number=$((number + 1))
done

cp "$here/guest/init" "$r/init"
chmod 755 "$r/init"
mkdir -p "$out"
(cd "$r" && find . | LC_ALL=C sort) >"$tree/tmp/list"
in_tree sh -c 'cd /tmp/initrd && cpio --quiet -o -H newc -R 0:0 </tmp/list' >"$out/initrd.new"
cp "$tree/boot/vmlinuz-$kernel" "$out/vmlinuz"
mv "$out/initrd.new" "$out/initrd"
ls -l "$out"
