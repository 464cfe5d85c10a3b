# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# One makefile for the whole tree; `make help` lists what it can do.
#
#   make V=1            show the commands          make O=dir   build there
#   make WERROR=        warnings do not stop the build
#
# Nothing here may call pkg-config or a compiler while the file is parsed:
# `make run` and `make test` start where neither is installed yet.

O       ?= build
prefix  ?= /usr/local
sbindir ?= $(prefix)/sbin

ifeq ($(origin CC),default)
CC      := gcc
endif
CLANG      ?= clang
BPFTOOL    ?= bpftool
PKG_CONFIG ?= pkg-config
CFLAGS     ?= -g -O2
WERROR     ?= -Werror
SAN        ?=
FUZZ_SECONDS ?= 60
# names of fuzzers for `make fuzz`; empty = all
FUZZ   ?=
# fuzzers at a time; empty = as many as there are processors
FUZZ_JOBS  ?=
VM_KERNELS ?= 6.1 6.12
CHECKS     ?= layers headers style bpf shell
# names of live tests for `make live T=pipe` and `make vm T=pipe`; empty = all
T          ?=

# Debian keeps bpftool and debootstrap where only root's PATH looks
export PATH := $(PATH):/usr/sbin:/sbin
MAKEFLAGS += --no-builtin-rules --no-print-directory

ifeq ($(V),1)
say =
else
Q   := @
say  = @printf '  %-8s %s\n' $(1) $(patsubst $(O)/%,%,$@);
endif

# ------------------------------------------------------------- what there is

# Definitions before users: libbpf 1.1 links a map that it first meets as an
# extern declaration to the wrong place.
BPF_FIRST := core totals backlog snapshot task describe strict calls ident fd stuck sock \
	     vma object space handoff mapping pass
BPF_FIRST := $(wildcard $(BPF_FIRST:%=bpf/%.bpf.c))
BPF_SRC   := $(BPF_FIRST) $(filter-out $(BPF_FIRST),$(sort $(wildcard bpf/*.bpf.c)))
USER_SRC  := $(sort $(wildcard user/*.c user/*/*.c))
UNIT_SRC  := $(sort $(wildcard tests/unit/*.c))
WORK_SRC  := $(sort $(wildcard tests/work/*.c))
FUZZ_SRC  := $(sort $(wildcard tests/fuzz/fuzz_*.c))

objects    = $(patsubst %.c,$(O)/%.o,$(1))
BPF_OBJ   := $(call objects,$(BPF_SRC))
USER_OBJ  := $(call objects,$(USER_SRC))
LIVE_OBJ  := $(filter $(O)/user/source/live%,$(USER_OBJ))
# the pure layers, and what of source/ runs without a kernel to observe
PURE      := base event model mech render unwind
PURE_OBJ  := $(filter $(PURE:%=$(O)/user/%/%),$(USER_OBJ))
STORE_OBJ := $(filter $(addprefix $(O)/user/source/,recording%.o sandbox.o command.o crowds.o \
	     order.o preemption.o %_types.o kallsyms.o frames.o reader%.o sandbox_reader.o),\
	     $(USER_OBJ))

UNIT_OBJ  := $(call objects,$(UNIT_SRC))
UNIT_PURE := $(patsubst %.o,%,$(filter $(O)/tests/unit/test_%,$(UNIT_OBJ)))
UNIT_STORE := $(patsubst %.o,%,$(filter $(O)/tests/unit/source_%,$(UNIT_OBJ)))
UNITS     := $(UNIT_PURE) $(UNIT_STORE)
# what several unit tests share
UNIT_WITH := $(filter-out $(UNITS:%=%.o),$(UNIT_OBJ))
# a workload with a header of its own is no program, but a part of all of them
WORK_WITH := $(call objects,$(filter $(patsubst %.h,%.c,$(wildcard tests/work/*.h)),$(WORK_SRC)))
WORKS     := $(filter-out $(WORK_WITH:%.o=%),$(WORK_SRC:%.c=$(O)/%))
FUZZERS   := $(FUZZ_SRC:%.c=$(O)/%)
# in `make test`, where the decoder of records and the reader of recordings take FUZZ_SECONDS each,
# and the others so many
FUZZ_MAIN := fuzz_decode fuzz_recording fuzz_block
FUZZ_REST := $(filter-out $(FUZZ_MAIN),$(notdir $(FUZZERS)))
FUZZ_REST_SECONDS ?= 20

# ---------------------------------------------------------------------- flags

WARN      := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wno-unused-parameter \
	     -Wno-missing-field-initializers
SANFLAGS  := $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer)
CC_FLAGS   = -std=gnu11 -D_GNU_SOURCE $(CFLAGS) $(WARN) $(WERROR) $(SANFLAGS) \
	     -iquote user -iquote bpf
BPF_FLAGS  = -target bpf -mcpu=v3 -g -O2 -Wall -Werror -D__TARGET_ARCH_x86 -D__BPF__ -iquote bpf

# pkg-config is asked at the first use, once
once       = $(eval $(1) := $$(shell $(PKG_CONFIG) --libs $(2)))$($(1))
PURE_LIBS  = $(call once,PURE_LIBS,json-c libseccomp)
STORE_LIBS = $(call once,STORE_LIBS,libbpf json-c sqlite3 libzstd libcap libseccomp)
ALL_LIBS   = $(call once,ALL_LIBS,libbpf libelf zlib sqlite3 libzstd json-c libcap libseccomp)
# workloads also run in virtual machines that have no libraries for them
STATIC     = $(eval STATIC := $$(if $$(wildcard $$(shell $(CC) -print-file-name=libc.a)), \
	     -static))$(STATIC)

# ------------------------------------------------------------------- building

all: $(O)/ipclens

# A stamp changes only when its text does: through it, flags and lists of
# objects are prerequisites like any file.
stamp_cc   = $(CC) $(CC_FLAGS) $(LDFLAGS)
stamp_bpf  = $(CLANG) $(BPF_FLAGS)
stamp_bpfs = $(BPF_OBJ)
stamp_objs = $(USER_OBJ) $(UNIT_WITH) $(WORK_WITH)
$(O)/.%.stamp: FORCE | $(O)/
	@printf '%s\n' '$(stamp_$*)' | cmp -s - $@ || printf '%s\n' '$(stamp_$*)' > $@

$(BPF_OBJ): $(O)/%.o: %.c $(O)/.bpf.stamp
	$(call say,BPF)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_FLAGS) -MMD -MP -c $< -o $@

$(O)/lens.bpf.o: $(BPF_OBJ) $(O)/.bpfs.stamp
	$(call say,BPFLINK)
	$(Q)$(BPFTOOL) gen object $@ $(BPF_OBJ)

$(O)/%.skel.h: $(O)/%.bpf.o
	$(call say,SKEL)
	$(Q)$(BPFTOOL) gen skeleton $< name $* > $@

# order only: who really includes the skeleton says its .d file
$(LIVE_OBJ): private CC_FLAGS += -I$(O)
$(LIVE_OBJ): | $(O)/lens.skel.h

$(O)/%.o: %.c $(O)/.cc.stamp
	$(call say,CC)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CC_FLAGS) -MMD -MP -c $< -o $@

link = $(CC) $(CFLAGS) $(SANFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(1)

$(O)/ipclens: $(USER_OBJ) $(O)/.objs.stamp
	$(call say,LINK)
	$(Q)$(call link,$(ALL_LIBS))

# a call of libbpf from a pure layer does not link here
$(UNIT_PURE): %: %.o $(UNIT_WITH) $(PURE_OBJ) $(O)/.objs.stamp
	$(call say,LINK)
	$(Q)$(call link,$(PURE_LIBS))

$(UNIT_STORE): %: %.o $(UNIT_WITH) $(PURE_OBJ) $(STORE_OBJ) $(O)/.objs.stamp
	$(call say,LINK)
	$(Q)$(call link,$(STORE_LIBS))

$(FUZZERS): %: %.o $(PURE_OBJ) $(STORE_OBJ) $(O)/.objs.stamp
	$(call say,LINK)
	$(Q)$(call link,-fsanitize=fuzzer $(STORE_LIBS))

$(WORKS): %: %.o $(WORK_WITH) $(O)/.objs.stamp
	$(call say,LINK)
	$(Q)$(call link,$(STATIC) -pthread)

$(O)/:
	@mkdir -p $@

# ------------------------------------------------------------ using and testing

deps:
	tools/deps build

# for commands that start where nobody has said -j
wide = $(MAKE) -j$$(nproc)

run: deps
	$(Q)$(wide) all
	$(O)/ipclens demo --duration 10s

work: $(WORKS)
units: $(UNITS)
fuzzers: $(FUZZERS)

# Every ring ends with "N passed, M failed, K skipped"; tally adds them up. Live tests wait most of
# the time, and emulated machines for their kernels' grace periods: beside the former, one more of
# the other rings than there are processors is run at a time, at a priority that takes none from
# them.
test: export LENS_AGAIN ?= 3
test:
	tools/deps build test vm programs
	$(Q)$(wide) all work units
	$(Q)tools/tally -v check="$(MAKE) check" unit="$(MAKE) unit" replay="$(MAKE) replay" \
		live+aside="$(MAKE) live-and-aside"

aside   = $(1)="nice -n 19 $(2)"
# the emulated machines of one kernel, each with a part of the tests
QUARTERS := 1 2 3 4
quarter  = $(call aside,$(1)-$(2)of4,env LENS_PART=$(2)/4 tests/vm/run $(1))
quarters = $(foreach n,$(QUARTERS),$(call quarter,$(1),$(n)))

live-and-aside: all work
	$(Q)O=$(O) tools/tally -w -v live="$(MAKE) live" \
		$(call aside,sanitized,$(MAKE) sanitize-and-fuzz) \
		$(foreach k,$(VM_KERNELS),$(call quarters,$(k))) \
		$(foreach k,$(VM_KERNELS),$(call aside,preempt-$(k),tests/vm/preempt $(k))) \
		$(foreach k,$(VM_KERNELS),$(call aside,budget-$(k),tests/vm/budget $(k)))

check:
	$(Q)CC='$(CC)' CLANG='$(CLANG)' tools/tally -p \
		$(foreach c,$(CHECKS),$(c)="tools/check $(c)") \
		coverage=tools/coverage selftest=tools/check-selftest

unit: $(UNITS)
	$(Q)tools/tally -p $(foreach t,$(UNITS),$(notdir $(t))=$(t))

# one tree for both: what fuzzers need beside the sanitizers harms nobody, and compiling takes long
sanitized = $(wide) O=$(O)/sanitize CC=$(CLANG) SAN=fuzzer-no-link,address,undefined WERROR=

sanitize:
	$(Q)$(sanitized) unit

sanitize-and-fuzz:
	$(Q)tools/tally -v sanitize="$(MAKE) sanitize" \
		fuzz="$(MAKE) fuzz FUZZ_JOBS=1 FUZZ='$(FUZZ_MAIN)'" \
		fuzz-rest="$(MAKE) fuzz FUZZ_JOBS=1 FUZZ='$(FUZZ_REST)' \
			FUZZ_SECONDS=$(FUZZ_REST_SECONDS)"

fuzzers-sanitized:
	$(Q)$(sanitized) fuzzers

fuzz: fuzzers-sanitized
	$(Q)FUZZ_JOBS=$(FUZZ_JOBS) tools/fuzz $(FUZZ_SECONDS) \
		$(addprefix $(O)/sanitize/tests/fuzz/,$(or $(FUZZ),$(notdir $(FUZZERS))))

replay: all
	$(Q)IPCLENS=$(abspath $(O))/ipclens tests/golden/run

live: all work
	$(Q)if [ "$$(id -u)" -eq 0 ]; then \
		IPCLENS=$(O)/ipclens IPCLENS_WORK=$(O)/tests/work tests/live/run $(T); \
	else \
		echo 'skip live: only root may load BPF programs'; \
		echo '0 passed, 0 failed, 1 skipped'; \
	fi

vm: all work
	$(Q)O=$(O) tools/tally -j -v $(foreach k,$(VM_KERNELS),$(k)="tests/vm/run $(k) $(T)") \
		$(if $(T),,preempt="tests/vm/preempt $(VM_KERNELS)")

budget: all work
	$(Q)O=$(O) tools/tally -j -v $(foreach k,$(VM_KERNELS),$(k)="tests/vm/budget $(k)")

bench:
	tools/deps build bench
	$(Q)$(MAKE) all work
	$(Q)CLANG='$(CLANG)' IPCLENS=$(O)/ipclens IPCLENS_WORK=$(O)/tests/work tools/bench

bare:
	tools/bare

install: all
	install -D -m 755 $(O)/ipclens $(DESTDIR)$(sbindir)/ipclens

clean:
	rm -rf $(O)

help:
	@echo 'make             build $(O)/ipclens'
	@echo 'make run         install what is missing, build, show a demonstration (root)'
	@echo 'make test        install what is missing, run every ring of tests (root)'
	@echo 'make deps        install what the build needs'
	@echo 'make check       rules of the tree: layers, headers, style, coverage, BPF, shell'
	@echo 'make unit        unit tests, no kernel needed;  make sanitize: under ASan and UBSan'
	@echo 'make replay      golden recordings give the reports they gave'
	@echo 'make fuzz        every fuzz target for FUZZ_SECONDS=$(FUZZ_SECONDS)'
	@echo 'make live [T=..] live tests on this kernel (root)'
	@echo 'make vm [T=..]   the same in virtual machines, VM_KERNELS="$(VM_KERNELS)"'
	@echo 'make budget      instructions that observing adds to a call, and the most allowed'
	@echo 'make bench       what observing costs, as a table'
	@echo 'make bare        make run and make test of a clone in a fresh Debian 12 (root)'
	@echo 'make install     DESTDIR= prefix=$(prefix);   make clean'

-include $(patsubst %.o,%.d,$(BPF_OBJ) $(USER_OBJ) $(UNIT_OBJ) \
	$(call objects,$(WORK_SRC) $(FUZZ_SRC)))

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all deps run work units fuzzers fuzzers-sanitized test check unit sanitize fuzz live \
	live-and-aside sanitize-and-fuzz vm budget bench bare install clean help FORCE
FORCE:
