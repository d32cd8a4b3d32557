#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A UEFI machine with a blank NVMe disk, over PXE with the shipped initramfs in 512 MiB of RAM.
# seconds: 1500
. "$(dirname "$0")/vm.bash"
. tests/vm/life.bash
firmware=uefi bus=nvme held_before=''
life
