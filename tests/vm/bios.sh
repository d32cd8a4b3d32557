#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A BIOS machine that held a bootable system, over PXE with the shipped initramfs in 512 MiB of RAM.
# seconds: 1500
. "$(dirname "$0")/vm.bash"
. tests/vm/life.bash
firmware=bios bus=virtio
held_before=$(scripts/make-debian-image --tiny --id old 2>/dev/null)
life
