# SPDX-License-Identifier: Apache-2.0
# `make help` lists what can be made. Rules find their files by wildcard: a new .c file in a room is
# compiled without an edit here.

BUILD    ?= build
CC       := gcc
CLANG    ?= clang
WARNINGS := -Wall -Wextra -Wconversion -Wsign-conversion -Wshadow -Wvla -Wmissing-prototypes \
            -Wstrict-prototypes -Werror
CFLAGS   ?= -O2 -g
CPPFLAGS += -I. -D_GNU_SOURCE
CFLAGS   += -std=gnu11 -pthread $(WARNINGS)
ifdef SANITIZE
BUILD    := build/sanitize
CFLAGS   += -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
LDFLAGS  += -fsanitize=address,undefined
endif
LDFLAGS  += -pthread

LIBS       := -larchive -lz -levent_extra -levent_core -levent_pthreads -lcrypto -lsqlite3 -ljansson -lzstd -lm
AGENT_LIBS := -levent_extra -levent_core -levent_pthreads -lcrypto -lzstd

# Rooms. initramfs/build_*.c is the builder, part of swarmboot; the rest of it is the agent.
ALL_C      := $(wildcard lib/*.c wire/*.c swarm/*.c dht/*.c runtime/*.c sim/*.c sim/scenarios/*.c \
                initramfs/*.c tracker/*.c server/*.c images/*.c pxe/*.c cli/*.c)
BUILDER_C  := $(wildcard initramfs/build_*.c)
AGENT_C    := $(filter-out $(BUILDER_C),$(wildcard initramfs/*.c))
SIM_C      := $(wildcard sim/*.c sim/scenarios/*.c)
BASE_C     := $(wildcard lib/*.c wire/*.c swarm/*.c dht/*.c runtime/*.c)
SWARMBOOT_C := $(filter-out $(AGENT_C) $(SIM_C),$(ALL_C))
# Pure: no system calls, no state (scripts/check-pure). In mixed rooms the suffix _core.c says so.
PURE_C     := lib/bytes.c lib/bitset.c lib/rng.c lib/heap.c lib/error.c lib/siphash.c $(wildcard wire/*.c swarm/*.c \
                dht/*.c runtime/*_core.c tracker/*_core.c initramfs/*_core.c server/*_core.c)

object = $(patsubst %.c,$(BUILD)/%.o,$(1))
# Everything that is not a program's main file, for tests to link against.
LIBRARY_C  := $(filter-out %swarmboot_main.c initramfs/agent_main.c sim/sim_main.c,$(ALL_C))
UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/test_*.c))
HELPERS    := $(patsubst tests/helpers/%.c,$(BUILD)/tests/helpers/%,$(wildcard tests/helpers/*.c))
FUZZERS    := $(patsubst tests/fuzz/%.c,build/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))

.PHONY: all help test demo check unit fuzz pure layers format format-check clean bench sim fast-sim \
	tools install

all: $(BUILD)/swarmboot $(BUILD)/swarmboot-agent ## build the two programs (default)

help: ## list targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

test: ## sudo scripts/test: everything, as CI does
	scripts/test

demo: ## sudo scripts/demo: PXE-boot and image virtual machines
	scripts/demo

check: ## what needs no root, under two minutes: format, layers, purity, unit tests, simulation
	scripts/check

bench: all sim tools ## sudo make bench: everything measured, beside other clients; bench-room etc. for a part
	scripts/bench

bench-%: all sim tools
	scripts/bench $*

sim: $(BUILD)/sim/sim ## build the simulator (build/sim/sim)

fast-sim: ## the simulator for halls: build/fast/sim/sim, optimised as a whole for this processor
	CFLAGS='-O3 -march=native -flto=auto -g' $(MAKE) BUILD=build/fast build/fast/sim/sim

tools: $(HELPERS) ## small programs that tests use

unit: $(UNIT_TESTS) ## build the unit tests

fuzz: $(FUZZERS) ## build the fuzz targets (clang)

pure: ## pure objects use nothing but memory functions and hold no state
	scripts/check-pure

layers: ## who includes whom
	scripts/check-layers

format: ## rewrite sources in the house style
	clang-format -i $$(git ls-files '*.c' '*.h')

format-check: ## say what `make format` would change
	clang-format --dry-run --Werror $$(git ls-files '*.c' '*.h')

install: all ## install programs, man pages and the tracker's unit under PREFIX (default /usr/local)
	install -D -m 755 build/swarmboot $(DESTDIR)$(PREFIX)/bin/swarmboot
	install -D -m 755 build/swarmboot-agent $(DESTDIR)$(PREFIX)/lib/swarmboot/swarmboot-agent
	for page in docs/man/*.[0-9]; do \
		install -D -m 644 $$page $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/}; \
	done
	install -d $(DESTDIR)$(UNITS)
	sed 's|/usr/local/bin|$(PREFIX)/bin|' systemd/swarmboot-tracker.service >$(DESTDIR)$(UNITS)/swarmboot-tracker.service
	test -e $(DESTDIR)/etc/swarmboot/tracker.conf || \
		install -D -m 644 docs/examples/tracker.conf $(DESTDIR)/etc/swarmboot/tracker.conf
PREFIX ?= /usr/local
UNITS ?= $(PREFIX)/lib/systemd/system

clean: ## remove what was built (keeps downloads)
	rm -rf build/swarmboot* build/lib* build/*.a build/sim build/fast build/sanitize build/pure build/fuzz \
		build/tests $(addprefix build/,lib wire swarm dht runtime initramfs tracker server images pxe cli)

$(BUILD)/libswarmboot.a: $(call object,$(LIBRARY_C))
	@rm -f $@
	$(AR) qcs $@ $^

$(BUILD)/swarmboot: $(call object,cli/swarmboot_main.c) $(BUILD)/libswarmboot.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)

# --no-warnings: ld warns of name look-ups and plug-ins in a static program; the agent's addresses are
# numeric, and it loads no plug-ins.
ifdef SANITIZE
$(BUILD)/swarmboot-agent: $(call object,$(BASE_C) $(AGENT_C))
	$(CC) $(LDFLAGS) -o $@ $^ $(AGENT_LIBS)
else
$(BUILD)/swarmboot-agent: $(call object,$(BASE_C) $(AGENT_C))
	$(CC) -static $(LDFLAGS) -Wl,--gc-sections,--no-warnings -o $@.full $^ $(AGENT_LIBS)
	strip -o $@ $@.full
endif

$(BUILD)/sim/sim: $(call object,$(SIM_C) $(wildcard lib/*.c wire/*.c swarm/*.c tracker/*_core.c))
	$(CC) $(LDFLAGS) -o $@ $^

$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(BUILD)/libswarmboot.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS) -lcmocka

$(BUILD)/tests/helpers/%: $(BUILD)/tests/helpers/%.o $(BUILD)/libswarmboot.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -ffunction-sections -fdata-sections -MMD -MP -c -o $@ $<

# Fuzz targets: the pure sources again, by clang, with its coverage and sanitizers.
FUZZ_CFLAGS := -std=gnu11 -g -O1 -fno-omit-frame-pointer -fno-sanitize-recover=all

build/fuzz/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CLANG) $(CPPFLAGS) $(FUZZ_CFLAGS) -fsanitize=fuzzer-no-link,address,undefined -MMD -MP -c -o $@ $<

build/fuzz/libpure.a: $(patsubst %.c,build/fuzz/obj/%.o,$(PURE_C))
	@rm -f $@
	$(AR) qcs $@ $^

$(FUZZERS): build/fuzz/%: build/fuzz/obj/tests/fuzz/%.o build/fuzz/libpure.a
	$(CLANG) $(FUZZ_CFLAGS) -fsanitize=fuzzer,address,undefined -o $@ $^ $(FUZZ_LIBS)

# Not pure: it is libzstd's answer to bad frames that is tried.
build/fuzz/fuzz_frame: $(patsubst %,build/fuzz/obj/%.o,runtime/frame_codec lib/log)
build/fuzz/fuzz_frame: FUZZ_LIBS := -lzstd

# Nor this: it reads a file.
build/fuzz/fuzz_command_config: $(patsubst %,build/fuzz/obj/%.o,cli/command_config cli/command lib/units lib/failure lib/error)

.SECONDARY:
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
