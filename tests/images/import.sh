#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# seconds: 300
# Every kind of file that `image import` takes becomes the same sparse image; what is damaged, ambiguous
# or no raw disk is refused and leaves nothing. Prints TAP.
# shellcheck source=tests/images/common.bash
source "$(dirname "$0")/common.bash"
cd "$WORK" || exit 1
make_disk disk.raw
disk_kib=$(du -k disk.raw | cut -f1)

# imports FILE [option...]: and the image is the disk, and takes no more space than the disk did.
imports() {
	local name=i$((++count))
	image import "$@" --name "$name" --quiet || return 1
	cmp disk.raw "$STATE/images/$name/disk.raw" || return 1
	local kib
	kib=$(du -k "$STATE/images/$name/disk.raw" | cut -f1)
	((kib <= disk_kib + 64)) || { echo "takes $kib KiB, the disk $disk_kib"; return 1; }
}
count=0

check imports_a_raw_disk imports disk.raw
cat disk.raw | dd of=dense.raw bs=1M status=none
check makes_a_dense_disk_sparse imports dense.raw
gzip -k1 disk.raw
check imports_gzip imports disk.raw.gz
(head -c 10000000 disk.raw | gzip -1; tail -c +10000001 disk.raw | gzip -1) >members.gz
check imports_gzip_of_several_members imports members.gz
(cat disk.raw.gz; head -c 1024 /dev/zero) >padded.gz
check imports_gzip_with_zero_padding imports padded.gz
xz -0 -k disk.raw && check imports_xz imports disk.raw.xz
zstd -q -1 disk.raw && check imports_zstd imports disk.raw.zst
bzip2 -k1 disk.raw && check imports_bzip2 imports disk.raw.bz2
tar cf plain.tar disk.raw && check imports_tar imports plain.tar
tar cSf sparse.tar disk.raw && check imports_sparse_tar imports sparse.tar
tar --format=v7 -cf v7.tar disk.raw && check imports_tar_without_magic imports v7.tar
mkdir -p tree/sub && ln disk.raw tree/sub/disk.raw
tar czf disk.tar.gz -C tree . && check imports_tar_gz_with_directories imports disk.tar.gz
tar cJf disk.tar.xz disk.raw && check imports_tar_xz imports disk.tar.xz
tar --zstd -cf disk.tar.zst disk.raw && check imports_tar_zstd imports disk.tar.zst
/usr/bin/python3 - <<'PYTHON'
import zipfile
for name, kind in ("stored", zipfile.ZIP_STORED), ("deflated", zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(name + ".zip", "w", kind, compresslevel=1) as z:
        z.write("disk.raw", "folder/disk.raw")
PYTHON
check imports_zip_stored imports stored.zip
check imports_zip_deflated imports deflated.zip
truncate -s $((6 * 1024 * 1024)) zeros.raw
check imports_a_disk_of_zeros image import zeros.raw --quiet
check a_disk_of_zeros_takes_no_space test "$(du -k "$STATE/images/zeros/disk.raw" | cut -f1)" -le 8
mkdir two && echo readme >two/README && ln disk.raw two/disk.raw && tar cf two.tar -C two README disk.raw
check imports_the_named_member imports two.tar --member disk.raw
check piece_size_is_taken imports disk.raw --piece-size 64KiB

# All of these are one image: one set of piece hashes.
roots=$(for i in 1 3 6 9 15; do image show "i$i" --json; done |
	sed 's/.*"sha256_root":"\([0-9a-f]*\)".*/\1/' | sort -u | wc -l)
check every_way_gives_the_same_root test "$roots" = 1

# What cannot be an image.
check refuses_an_archive_of_two_files refuses "choose one with --member" image import two.tar --quiet
grep -q disk.raw err && echo "ok lists_the_members" || { echo "not ok lists_the_members"; failed=1; }
check refuses_a_member_that_is_not_there refuses "it has 2: README, disk.raw" \
	image import two.tar --member nothing --quiet
tar cf empty.tar -C two --files-from /dev/null
check refuses_a_member_of_a_raw_disk refuses "neither a tar nor a zip" \
	image import disk.raw --member x --quiet
head -c 700 disk.raw >odd.raw
check refuses_a_length_that_is_not_sectors refuses "not a multiple of its sector size, 512" \
	image import odd.raw --quiet
check refuses_512_byte_length_for_4096 refuses "not a multiple of its sector size, 4096" \
	image import disk.raw --sector-size 4096 --quiet
check refuses_a_missing_file refuses "No such file" image import nothing.raw --quiet
check refuses_a_directory refuses "is a directory" image import two --quiet
check refuses_a_device_that_is_no_disk refuses "neither a regular file" image import /dev/zero --quiet
: >empty.raw
check refuses_an_empty_file refuses "is empty" image import empty.raw --quiet
gzip -c empty.raw >empty.gz
check refuses_compressed_nothing refuses "" image import empty.gz --name empty --quiet
printf 'QFI\xfb' >q.raw && truncate -s 1M q.raw
check refuses_qcow2 refuses "qemu-img convert" image import q.raw --quiet
tar cf nested.tar disk.raw.xz
check refuses_a_compressed_file_in_an_archive refuses "unpack the outer layer" image import nested.tar --quiet
check refuses_an_existing_name refuses "already" image import disk.raw --name i1 --quiet
check refuses_a_name_that_is_a_path refuses "cannot be an image's name" \
	image import disk.raw --name ../x --quiet
check refuses_a_piece_size_that_is_no_power_of_two refuses "power of two" \
	image import disk.raw --name x --piece-size 3MiB --quiet
check refuses_an_unknown_option refuses "--frobnicate" image import disk.raw --frobnicate

# Damage: a byte in the middle, and a cut, of every kind that has a checksum.
flip() { # FILE OFFSET OUT
	cp "$1" "$3" && flip_byte "$3" "$2"
}
for file in disk.raw.gz disk.raw.xz disk.raw.zst disk.raw.bz2 deflated.zip stored.zip disk.tar.gz disk.tar.xz; do
	middle=$(($(stat -c %s $file) / 2))
	flip $file $middle "damaged-$file"
	check "refuses_damaged_${file//./_}" refuses "damaged-$file" image import "damaged-$file" --name x --quiet
	head -c "$middle" $file >"cut-$file"
	check "refuses_cut_${file//./_}" refuses "cut-$file" image import "cut-$file" --name x --quiet
done
/usr/bin/python3 -c 'import gzip,sys; sys.stdout.buffer.write(gzip.compress(sys.stdin.buffer.read(), 0))' \
	<disk.raw >stored.gz
flip stored.gz 2000000 damaged-stored.gz
check refuses_a_flipped_bit_in_stored_gzip refuses damaged image import damaged-stored.gz --name x --quiet
(cat disk.raw.gz; echo garbage) >garbage.gz
check refuses_garbage_after_gzip refuses "garbage" image import garbage.gz --name x --quiet
head -c 3000000 plain.tar >cut-plain.tar
check refuses_cut_tar refuses cut-plain.tar image import cut-plain.tar --name x --quiet
check nothing_is_left_half_made test -z "$(ls -A "$STATE/images" | grep '^\.')"

# The sector size comes from the partition table.
if command -v sfdisk >/dev/null; then
	truncate -s 8M gpt.raw
	echo 'label: gpt' | sfdisk -q gpt.raw
	check takes_a_gpt_of_512 image import gpt.raw --quiet
	check refuses_a_gpt_of_other_sectors refuses "made for sectors of 512" \
		image import gpt.raw --name x --sector-size 4096 --quiet
	truncate -s 8M gpt4k.raw
	printf 'EFI PART' | dd of=gpt4k.raw bs=4096 seek=1 conv=notrunc status=none
	check takes_a_gpt_of_4096 sh -c "'$BIN' image import gpt4k.raw --json --state '$STATE' | grep -q '\"sector_bytes\":4096'"
else
	echo "skip takes_a_gpt_of_512 - sfdisk is not installed"
fi
exit $failed
