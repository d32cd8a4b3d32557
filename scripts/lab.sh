# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
# The virtual lab: a LAN in a network namespace of its own (a bridge that is the server's interface, a
# tap per machine) and QEMU machines that PXE-boot from it, with blank disks and serial consoles in
# files. Sourced by scripts/demo and tests/vm/*; needs $top and scripts/common.sh.
#
#   lab_begin NAME                       makes the LAN; everything ends with the script, however it ends
#   lab_machine NAME bios|uefi [...]     describes a machine (see there)
#   lab_disk NAME LABEL [...]            another disk
#   lab_power_on NAME, lab_power_cut NAME, lab_link NAME up|down, lab_reset NAME
#   lab_hold NAME                        stops it at its next reboot, for a look at its disk
#   lab_wait_console NAME REGEX SECONDS  waits for a line since the machine was last switched on
#   lab_up [OPTION...], lab_swarmboot COMMAND...   the server, and commands to it
#   lab_run COMMAND...                   runs a command on the server's side of the LAN
#   lab_spawn NAME COMMAND...            the same in the background, output in $lab/NAME.log
#
# Call them from the script's own shell, never from a subshell: what they start dies with its parent.

lab='' lab_namespace='' lab_sockets=''
lab_interface=br0
lab_card_slot=16 # of the PCI bus
lab_server=10.77.0.1
declare -gA lab_pid=() lab_kind=() lab_options=() lab_disks=() lab_arguments=() lab_mark=() lab_mac=()
declare -gA lab_children=()

# lab_begin NAME: $lab is the folder of this run; its logs stay there when it is over.
lab_begin() {
	local name=$1 old
	need_root
	for old in "$top/build/lab/$name".*; do
		[[ -d $old && ! -d /proc/${old##*.} ]] && rm -rf --one-file-system "$old"
	done
	lab=$top/build/lab/$name.$$
	lab_namespace=sb-$name-$$
	mkdir -p "$lab"
	trap lab_end EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	lab_sweep
	lab_sockets=$(mktemp -d "/tmp/sb-lab.$$.XXXXXX") # short: the path of a socket has 107 bytes at most
	ip netns add "$lab_namespace"
	lab_run ip link set lo up
	# No spanning tree: a port forwards at once.
	lab_run ip link add "$lab_interface" type bridge stp_state 0 forward_delay 0
	lab_run ip address add "$lab_server/24" dev "$lab_interface"
	lab_run ip link set "$lab_interface" up
	lab_choose_accelerator
}

# What runs left that were killed so hard that they could not clean up. (Their processes died with them.)
lab_sweep() {
	local each pid
	for each in $(ip netns list | awk '{ print $1 }') /tmp/sb-lab.*; do
		case $each in
		sb-*-*) pid=${each##*-} ;;
		/tmp/sb-lab.*.*) pid=${each#/tmp/sb-lab.} pid=${pid%%.*} ;;
		*) continue ;;
		esac
		[[ $pid =~ ^[0-9]+$ && ! -d /proc/$pid ]] || continue
		if [[ $each == /* ]]; then
			rm -rf --one-file-system "$each"
		else
			ip netns delete "$each" 2>/dev/null || true
		fi
	done
}

# Ends every process that the run started and takes the LAN away; keeps *.log.
lab_end() {
	local status=$? name
	trap '' INT TERM HUP
	trap - EXIT
	for name in "${!lab_pid[@]}"; do
		lab_power_cut "$name"
	done
	for name in "${!lab_children[@]}"; do
		lab_stop "$name" 5
	done
	if [[ -n $lab_namespace ]]; then
		ip netns delete "$lab_namespace" 2>/dev/null || true
	fi
	if [[ -n $lab_sockets ]]; then
		rm -rf --one-file-system "$lab_sockets"
	fi
	if [[ -n $lab && -z ${SWARMBOOT_LAB_KEEP:-} ]]; then
		find "$lab" -xdev -type f ! -name '*.log' ! -name '*.json' -delete 2>/dev/null || true
		find "$lab" -xdev -mindepth 1 -type d -empty -delete 2>/dev/null || true
	fi
	exit "$status"
}

lab_run() { ip netns exec "$lab_namespace" "$@"; }

# lab_spawn NAME COMMAND...: ended with the run, also when the script is killed.
lab_spawn() {
	local name=$1
	shift
	setpriv --pdeathsig KILL ip netns exec "$lab_namespace" "$@" >>"$lab/$name.log" 2>&1 </dev/null &
	lab_children[$name]=$!
}

# lab_stop NAME [SECONDS]: SIGTERM, then SIGKILL when it has not ended by then.
lab_stop() {
	local pid=${lab_children[$1]:-} tries=$((${2:-10} * 10))
	[[ -n $pid ]] || return 0
	unset "lab_children[$1]"
	kill -TERM "$pid" 2>/dev/null || true
	while ((tries-- > 0)) && kill -0 "$pid" 2>/dev/null; do
		sleep 0.1
	done
	kill -KILL "$pid" 2>/dev/null || true
	wait "$pid" 2>/dev/null || true
}

# lab_kill NAME: SIGKILL, as if its machine had lost power.
lab_kill() {
	local pid=${lab_children[$1]:-}
	[[ -n $pid ]] || return 0
	unset "lab_children[$1]"
	kill -KILL "$pid" 2>/dev/null || true
	wait "$pid" 2>/dev/null || true
}

lab_running() { [[ -n ${lab_children[$1]:-} ]] && kill -0 "${lab_children[$1]}" 2>/dev/null; }

# lab_await SECONDS COMMAND...: until it succeeds; fails when it has not by then.
lab_await() {
	local deadline=$((SECONDS + $1))
	shift
	until "$@"; do
		((SECONDS < deadline)) || return 1
		sleep 0.2
	done
}

# lab_up [OPTION...]: the server (`swarmboot up`), as an operator starts it; fails when it does not serve.
lab_up() {
	lab_spawn server "$top/build/swarmboot" up --plain --interface "$lab_interface" \
		--state "$lab/state" --dhcp full "$@"
	lab_await 90 lab_server_answers
}

lab_server_answers() {
	lab_running server || die "lab: the server ended: $(tail -n 3 "$lab/server.log")"
	lab_swarmboot status --json >/dev/null 2>&1
}

# lab_swarmboot COMMAND [ARGUMENT...]: a command to that server.
lab_swarmboot() {
	local command=$1
	shift
	lab_run "$top/build/swarmboot" "$command" "$@" --state "$lab/state"
}

# KVM when a guest kernel really runs in it, within seconds; software emulation otherwise.
# $SWARMBOOT_ACCELERATOR (kvm or tcg) decides without a probe.
lab_choose_accelerator() {
	lab_accelerator=${SWARMBOOT_ACCELERATOR:-}
	[[ -z $lab_accelerator ]] || return 0
	lab_accelerator=tcg
	[[ -w /dev/kvm ]] || return 0
	local boot_id cache
	boot_id=$(</proc/sys/kernel/random/boot_id)
	cache=$top/build/lab/accelerator.$boot_id
	if [[ -s $cache ]]; then
		lab_accelerator=$(<"$cache")
		return 0
	fi
	if lab_kvm_works; then
		lab_accelerator=kvm
	fi
	rm -f "$top"/build/lab/accelerator.*
	printf '%s\n' "$lab_accelerator" >"$cache.$$"
	mv "$cache.$$" "$cache"
}

lab_kvm_works() {
	local image console=$lab/kvm-probe.log pid
	image=$("$top/scripts/make-debian-image" --tiny 2>/dev/null) || return 1
	setpriv --pdeathsig KILL qemu-system-x86_64 -accel kvm -m 256 -display none -monitor none \
		-nic none -snapshot -drive "file=$image,format=raw,if=virtio" \
		-serial "file:$console" >/dev/null 2>&1 &
	pid=$!
	local works=1
	lab_await 8 grep -qas 'ready on' "$console" && works=0
	kill -9 "$pid" 2>/dev/null || true
	wait "$pid" 2>/dev/null || true
	return $works
}

# option KEY DEFAULT OPTION...: the value of KEY=VALUE among the options; the last one counts.
lab_option_of() {
	local key=$1 value=$2 word
	shift 2
	for word; do
		[[ $word == "$key="* ]] && value=${word#*=}
	done
	printf '%s' "$value"
}

# lab_option NAME KEY DEFAULT: of a machine.
lab_option() {
	# shellcheck disable=SC2086
	lab_option_of "$2" "$3" ${lab_options[$1]}
}

# lab_machine NAME bios|uefi [OPTION...]: describes a machine; lab_power_on starts it.
#   disk=SIZE        a blank disk of that size (default 2G; 0: no disk). Its file is $lab/NAME/disk.raw
#   image=, bus=, sector=, serial=, wwn=    of that disk, see lab_disk
#   memory=MIB       (default 512)
#   cpu=MODEL        (default: of the accelerator)
#   throttle=BYTES   what its disks write in a second at most (6M)
#   boot=net|disk    what firmware tries first (default net)
#   link=up|down     the cable, at power on
lab_machine() {
	local name=$1 kind=$2 number=$((${#lab_kind[@]} + 1))
	shift 2
	[[ $kind == bios || $kind == uefi ]] || die "lab_machine: $kind is neither bios nor uefi"
	lab_kind[$name]=$kind
	lab_mac[$name]=$(printf '52:54:00:77:%02x:%02x' $((number >> 8)) $((number & 255)))
	lab_options[$name]="$* tap=tap$number"
	lab_disks[$name]='' lab_arguments[$name]=''
	mkdir -p "$lab/$name"
	lab_run ip tuntap add dev "tap$number" mode tap
	lab_run ip link set "tap$number" master "$lab_interface" up
	if [[ $kind == uefi ]]; then
		lab_firmware_settings "$name"
	fi
	if [[ $(lab_option "$name" disk 2G) != 0 ]]; then
		lab_disk "$name" disk "size=$(lab_option "$name" disk 2G)" "$@"
	fi
}

# What the owner would set in the firmware's menu. (QEMU's bootindex cannot say it: it would put all of a
# card's ways to boot before the disk, and HTTP boot takes minutes to give up.)
lab_firmware_settings() {
	local template=/usr/share/OVMF/OVMF_VARS_4M.fd
	if [[ $(lab_option "$1" boot net) == disk ]]; then
		cp "$template" "$lab/$1/vars.fd"
	else
		"$top/scripts/lab-uefi-vars" "$template" "$lab/$1/vars.fd" "${lab_mac[$1]}" $lab_card_slot
	fi
}

# lab_disk NAME LABEL [OPTION...]: one more disk; its file is $lab/NAME/LABEL.raw.
#   size=SIZE        (default 2G)        image=FILE  what it holds at first (default: nothing)
#   bus=virtio|nvme|ahci|scsi  (default virtio)
#   sector=BYTES     logical sector size (default 512; not with ahci)
#   serial=TEXT      (default SB-NAME-LABEL)     wwn=0xNUMBER  (scsi, ahci)
lab_disk() {
	local name=$1 label=$2 file=$lab/$1/$2.raw image
	shift 2
	image=$(lab_option_of image '' "$@")
	[[ -z $image ]] || cp --sparse=always "$image" "$file"
	truncate -s "$(lab_option_of size 2G "$@")" "$file"
	lab_disks[$name]+="$label bus=$(lab_option_of bus virtio "$@")"
	lab_disks[$name]+=" sector=$(lab_option_of sector 512 "$@")"
	lab_disks[$name]+=" serial=$(lab_option_of serial "SB-$name-$label" "$@")"
	lab_disks[$name]+=" wwn=$(lab_option_of wwn '' "$@")"$'\n'
}

# lab_take_disk NAME LABEL: takes that disk out of the machine, from the next power on; its file stays.
lab_take_disk() {
	lab_disks[$1]=$(grep -v "^$2 " <<<"${lab_disks[$1]}" || true)$'\n'
}

# lab_change NAME OPTION...: other options from the next power on.
lab_change() {
	local name=$1
	shift
	lab_options[$name]+=" $*"
}

# lab_more NAME ARGUMENT...: more arguments for QEMU from the next power on.
lab_more() {
	local name=$1
	shift
	lab_arguments[$name]+=$(printf '%s\n' "$@")$'\n'
}

# lab_kernel NAME KERNEL INITRAMFS TEXT...: boots these directly, without firmware's network boot.
lab_kernel() {
	local name=$1 kernel=$2 initramfs=$3
	shift 3
	lab_more "$name" -kernel "$kernel" -initrd "$initramfs" -append "$*"
}

# Adds a disk to the array `arguments` of lab_power_on.
lab_disk_arguments() {
	local name=$1 index=$2 label=$3
	shift 3
	local sector serial wwn device
	sector=$(lab_option_of sector 512 "$@")
	serial=serial=$(lab_option_of serial '' "$@")
	wwn=$(lab_option_of wwn '' "$@")
	local drive="if=none,id=$label,file=$lab/$name/$label.raw,format=raw,discard=unmap" throttle
	throttle=$(lab_option "$name" throttle '')
	[[ -z $throttle ]] || drive+=",throttling.bps-write=$(numfmt --from=iec "$throttle")"
	arguments+=(-drive "$drive")
	case $(lab_option_of bus virtio "$@") in
	virtio) device=virtio-blk-pci ;;
	nvme) device=nvme ;;
	ahci) device=ide-hd ;;
	scsi)
		device=scsi-hd
		arguments+=(-device "virtio-scsi-pci,id=hba-$label")
		serial+=",bus=hba-$label.0"
		;;
	*) die "lab_disk: no such bus" ;;
	esac
	[[ $device == ide-hd ]] || serial+=",logical_block_size=$sector,physical_block_size=$sector"
	[[ -z $wwn ]] || serial+=",wwn=$wwn"
	[[ ${lab_kind[$name]} == uefi ]] || serial+=",bootindex=$index"
	arguments+=(-device "$device,drive=$label,$serial")
}

lab_uuid() { printf '5b5b5b5b-0000-4000-8000-%s' "${lab_mac[$1]//:/}"; }

# Fills the array `arguments` of lab_power_on.
# shellcheck disable=SC2054
lab_machine_arguments() {
	local name=$1 folder=$lab/$1 disk_index=20 net_index=10 line cpu
	if [[ $(lab_option "$name" boot net) == disk ]]; then
		net_index=90
	fi
	arguments=(-accel "$lab_accelerator" -name "$name" -nodefaults -display none -no-user-config
		-action shutdown=pause
		-machine q35,graphics=off -uuid "$(lab_uuid "$name")" -smp 1 -m "$(lab_option "$name" memory 512)" -device virtio-rng-pci
		-chardev "socket,id=console,path=$lab_sockets/$name.console,server=on,wait=off,logfile=$folder/console.log,logappend=on"
		-serial chardev:console
		-qmp "unix:$lab_sockets/$name.qmp,server=on,wait=off"
		-netdev "tap,id=lan,ifname=$(lab_option "$name" tap ''),script=no,downscript=no")
	# Emulated, the vector units that newer models have make digests slower, not faster.
	cpu=Westmere
	[[ $lab_accelerator != kvm ]] || cpu=host
	cpu=$(lab_option "$name" cpu "$cpu")
	arguments+=(-cpu "$cpu")
	local card="virtio-net-pci,id=card,netdev=lan,mac=${lab_mac[$name]}"
	card+=",addr=$(printf %x $lab_card_slot)"
	if [[ ${lab_kind[$name]} == bios ]]; then
		card+=,bootindex=$net_index
	else
		card+=,romfile= # the firmware's own PXE, as on a real board
		arguments+=(-drive "if=pflash,unit=0,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd"
			-drive "if=pflash,unit=1,format=raw,file=$folder/vars.fd")
	fi
	arguments+=(-device "$card")
	while read -r line; do
		# shellcheck disable=SC2086
		[[ -z $line ]] || lab_disk_arguments "$name" $((disk_index++)) $line
	done <<<"${lab_disks[$name]}"
	while IFS= read -r line; do
		[[ -z $line ]] || arguments+=("$line")
	done <<<"${lab_arguments[$name]}"
}

lab_power_on() {
	local name=$1 folder=$lab/$1 arguments
	[[ -z ${lab_pid[$name]:-} ]] || die "lab: $name is on already"
	lab_machine_arguments "$name"
	touch "$folder/console.log"
	lab_mark "$name"
	printf '%q ' "${arguments[@]}" >>"$folder/qemu.log"
	printf '\n' >>"$folder/qemu.log"
	rm -f "$lab_sockets/$name.qmp"
	setpriv --pdeathsig KILL ip netns exec "$lab_namespace" qemu-system-x86_64 "${arguments[@]}" \
		>>"$folder/qemu.log" 2>&1 </dev/null &
	lab_pid[$name]=$!
	lab_await 20 lab_answers "$name" || die "lab: QEMU of $name did not start: see $folder/qemu.log"
	if [[ $(lab_option "$name" link up) == down ]]; then
		lab_link "$name" down
	fi
}

# The machine is on and its monitor answers, or QEMU has ended (which the caller then sees).
lab_answers() {
	lab_is_on "$1" || die "lab: QEMU of $1 ended: $(tail -n 1 "$lab/$1/qemu.log")"
	"$top/scripts/lab-qmp" "$lab_sockets/$1.qmp" query-status >/dev/null 2>&1
}

lab_is_on() { [[ -n ${lab_pid[$1]:-} ]] && kill -0 "${lab_pid[$1]}" 2>/dev/null; }

# As if somebody pulled the plug.
lab_power_cut() {
	local pid=${lab_pid[$1]:-}
	[[ -n $pid ]] || return 0
	unset "lab_pid[$1]"
	kill -9 "$pid" 2>/dev/null || true
	wait "$pid" 2>/dev/null || true
}

# lab_qmp NAME COMMAND [KEY=VALUE...]
lab_qmp() {
	local name=$1
	shift
	"$top/scripts/lab-qmp" "$lab_sockets/$name.qmp" "$@"
}

# lab_link NAME up|down: the network cable.
lab_link() {
	local up=false
	[[ $2 == down ]] || up=true
	lab_qmp "$1" set_link name=card "up=$up" >/dev/null
}

# lab_hold NAME: stops the machine at its next reboot, until lab_reset: time to look at its disk. Not to be
# said before the firmware is through: SeaBIOS resets the machine once more for itself.
lab_hold() { lab_qmp "$1" set-action reboot=shutdown >/dev/null; }
lab_is_held() { [[ $(lab_qmp "$1" query-status 2>/dev/null) == *'"shutdown"'* ]]; }

# The reset button; lets a held machine go on through its reboot.
lab_reset() {
	lab_mark "$1"
	lab_qmp "$1" set-action reboot=reset >/dev/null
	lab_qmp "$1" system_reset >/dev/null
	lab_await 10 lab_is_reset "$1" || die "lab: $1 does not come out of its reset"
	lab_qmp "$1" cont >/dev/null
}

lab_is_reset() { ! lab_is_held "$1"; }

# From here on lab_wait_console and lab_console of this machine look at what comes later.
lab_mark() { lab_mark[$1]=$(stat -c %s "$lab/$1/console.log"); }

# What the machine has said since then, without the escape sequences of firmware screens.
lab_console() {
	tail -c "+$((${lab_mark[$1]} + 1))" "$lab/$1/console.log" |
		sed -E 's/\x1b\[[0-9;?]*[A-Za-z]//g; s/\r//g'
}

lab_console_has() { lab_console "$1" | grep -aE -- "$2" >/dev/null; }

# lab_wait_console NAME REGEX SECONDS: fails when the line has not come by then, or QEMU ended.
lab_wait_console() {
	local name=$1 regex=$2 deadline=$((SECONDS + $3))
	until lab_console_has "$name" "$regex"; do
		if ! lab_is_on "$name"; then
			warn "lab: $name ended before it said: $regex"
			return 1
		fi
		if ((SECONDS >= deadline)); then
			warn "lab: $name has not said within $3 s: $regex"
			return 1
		fi
		sleep 0.2
	done
}

# lab_type NAME TEXT: types a line at the serial console.
lab_type() {
	printf '%s\n' "$2" | socat -u - "UNIX-CONNECT:$lab_sockets/$1.console"
}
