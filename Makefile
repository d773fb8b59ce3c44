# SPDX-License-Identifier: GPL-2.0-or-later
#
# portero: one Makefile, no configure step, everything made below build/.
#
#   make            build/portero, its messages and its completions
#   make check      unit, golden and namespace tests (the latter need root)
#   make V=1 ...    shows the commands that are run
#   make SAN=1 ...  the same with AddressSanitizer and UndefinedBehaviorSanitizer (build/san/)
#   make lint       format, static analysis, layers, headers, messages
#   make pot        messages from the sources into po/
#   make fuzz       a short run of every fuzzer (FUZZ_SECONDS=10 each)
#   make check-frontends  ufw, firewalld, Docker, podman and others in namespaces (root, Debian)
#   make check-daemons  a hundred real daemons in namespaces: what portero says they are (root, Debian; DAEMONS=: the small ones)
#   make check-vm   portero on other kernels, in virtual machines (QEMU; no root, no KVM)
#   make bench      speed and memory as ratios to ss and lsof, in one run (root)
#   make bench-services  portero scan -sV next to nmap -sV on the daemons of check-daemons (root; docs/service-detection.md)
#   make install    DESTDIR= PREFIX=/usr

VERSION  := 0.1.0
PREFIX   ?= /usr
DESTDIR  ?=
CC       ?= gcc
CLANG    ?= clang
BPFTOOL  ?= $(shell PATH=$$PATH:/usr/sbin:/sbin command -v bpftool)
PYTHON   ?= /usr/bin/python3
WERROR   ?= 0
SAN      ?= 0
FUZZ_SECONDS ?= 10

ifeq ($(origin CC),default)
CC := gcc
endif

BUILD ?= build
B := $(BUILD)$(if $(filter 1,$(SAN)),/san)
G := $(B)/gen

# V=1 shows the commands
ifeq ($(V),1)
say = @:
Q   :=
else
say = @printf '  %-8s %s\n' $(1) $(2)
Q   := @
endif

WARNINGS := -Wall -Wextra -Wshadow -Wundef -Wvla -Wformat=2 -Wwrite-strings -Wcast-qual \
	-Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
	-Wimplicit-fallthrough
HARDENING := -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection \
	-fPIE -fno-strict-aliasing
ifeq ($(shell uname -m),x86_64)
HARDENING += -fcf-protection
endif
IS_CLANG := $(shell $(CC) --version 2>/dev/null | grep -c clang)
ifeq ($(IS_CLANG),0)
WARNINGS += -Wduplicated-cond -Wduplicated-branches -Wlogical-op
HARDENING += -ftrivial-auto-var-init=zero
else
HARDENING += -ftrivial-auto-var-init=pattern
endif
ifeq ($(WERROR),1)
WARNINGS += -Werror
endif

# The product is optimized as a whole; tests link the objects as they are. clang would need lld for it.
LTO := $(if $(filter 00,$(IS_CLANG)$(SAN)),-flto=auto -ffat-lto-objects)

PKGS     := libsodium libbpf libmnl libmd jansson yaml-0.1 libpcre2-8 openssl libseccomp
CPPFLAGS += -D_GNU_SOURCE -DPORTERO_VERSION='"$(VERSION)"' -DPORTERO_PREFIX='"$(PREFIX)"' -Isrc -isystem $(G)
CFLAGS   ?= -O2 -g
OURFLAGS := -std=gnu17 $(WARNINGS) $(HARDENING) $(shell pkg-config --cflags $(PKGS)) -pthread
LDFLAGS  += -pie -Wl,-z,relro -Wl,-z,now -pthread
LDLIBS   := $(shell pkg-config --libs $(PKGS)) -lm
ifeq ($(SAN),1)
OURFLAGS := $(filter-out -D_FORTIFY_SOURCE=3,$(OURFLAGS)) -fsanitize=address,undefined \
	-fno-sanitize-recover=all -fno-omit-frame-pointer
LDFLAGS  += -fsanitize=address,undefined
endif

SRC      := $(sort $(wildcard src/base/*.c src/model/*.c src/observe/*.c src/decide/*.c src/enforce/*.c src/cli/*.c))
GEN_SRC  := $(G)/registry_table.c $(G)/programs_table.c $(G)/front_ends_table.c $(G)/risks_table.c $(G)/top_ports_table.c $(G)/protocols_table.c $(G)/probe_texts.c
OBJ      := $(SRC:src/%.c=$(B)/obj/%.o) $(GEN_SRC:$(G)/%.c=$(B)/obj/gen/%.o)
LIB_OBJ  := $(filter-out $(B)/obj/cli/main.o,$(OBJ))
PROBES   := $(sort $(wildcard data/probes/*.yaml))
BPF_SRC  := $(wildcard src/bpf/*.bpf.c)
# light skeletons are for what runs at every look; the guard is loaded once, and pinned
SKEL     := $(patsubst src/bpf/%.bpf.c,$(G)/%.skel.h,$(BPF_SRC)) \
	    $(patsubst src/bpf/%.bpf.c,$(G)/%.lskel.h,$(filter src/bpf/task_%,$(BPF_SRC)))
UNIT     := $(patsubst tests/unit/%.c,$(B)/unit/%,$(sort $(wildcard tests/unit/*_test.c)))
FUZZ     := $(patsubst tests/fuzz/%.c,build/fuzz/%,$(sort $(wildcard tests/fuzz/*_fuzz.c)))
LINGUAS  := $(patsubst po/%.po,%,$(wildcard po/*.po))
MO       := $(LINGUAS:%=$(B)/locale/%/LC_MESSAGES/portero.mo)
SHELLS   := bash zsh fish

.PHONY: all unit-build unit golden check check-frontends check-daemons check-long vm-build check-vm lint fuzz-build fuzz bench bench-services install clean pot FORCE
.DELETE_ON_ERROR:
.SECONDARY:

all: $(B)/portero $(MO)

$(B)/portero: $(OBJ)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(OURFLAGS) $(LTO) $(LDFLAGS) -o $@ $^ $(LDLIBS)

# The place of the messages is compiled in: another PREFIX, another object.
$(B)/obj/cli/main.o: $(B)/prefix
$(B)/prefix: FORCE
	@mkdir -p $(@D)
	@echo "$(PREFIX)" | cmp -s - $@ || echo "$(PREFIX)" > $@

# Sources see the generated headers of the BPF objects, so those come first.
$(B)/obj/%.o: src/%.c Makefile | $(SKEL)
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(OURFLAGS) $(LTO) -MMD -MP -c -o $@ $<

# gcc's dependencies leave out what -isystem found
$(B)/obj/observe/sock_iter.o $(B)/obj/enforce/guard_kernel.o: $(SKEL)

$(B)/obj/gen/%.o: $(G)/%.c
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(OURFLAGS) -MMD -MP -c -o $@ $<

$(G)/registry_table.c: data/ports.tsv tools/gen-registry
	@mkdir -p $(@D)
	$(call say,GEN,$@)
	$(Q)tools/gen-registry data/ports.tsv > $@

$(G)/programs_table.c: data/programs.tsv tools/gen-programs
	@mkdir -p $(@D)
	$(call say,GEN,$@)
	$(Q)tools/gen-programs data/programs.tsv > $@

$(G)/front_ends_table.c: data/front-ends.tsv tools/gen-front-ends
	@mkdir -p $(@D)
	$(call say,GEN,$@)
	$(Q)tools/gen-front-ends data/front-ends.tsv > $@

# the directory too: a file may come, or go
$(G)/probe_texts.c: $(PROBES) data/probes tools/gen-probes
	@mkdir -p $(@D)
	$(call say,GEN,$@)
	$(Q)tools/gen-probes $(PROBES) > $@

$(G)/risks_table.c: data/risks.tsv tools/gen-risks
	@mkdir -p $(@D)
	$(call say,GEN,$@)
	$(Q)tools/gen-risks data/risks.tsv > $@

$(G)/protocols_table.c: data/protocols.tsv data/programs.tsv $(PROBES) data/probes tools/gen-protocols
	@mkdir -p $(@D)
	$(call say,GEN,$@)
	$(Q)tools/gen-protocols data/protocols.tsv data/programs.tsv $(PROBES) > $@

$(G)/top_ports_table.c: data/top-ports.tsv tools/gen-top-ports
	@mkdir -p $(@D)
	$(call say,GEN,$@)
	$(Q)tools/gen-top-ports data/top-ports.tsv > $@

# The BPF programs are compiled against the kernel's stable UAPI headers and our own short list of
# kernel fields (src/bpf/kernel.h), never against the running kernel.
$(G)/%.bpf.o: src/bpf/%.bpf.c $(wildcard src/bpf/*.h)
	@mkdir -p $(@D)
	$(call say,BPF,$@)
	$(Q)$(CLANG) -O2 -g -target bpf -Wall -Wextra -Wno-missing-declarations -Isrc \
		$(addprefix -I,$(wildcard /usr/include/$(shell uname -m)-linux-gnu)) -c -o $@ $<

$(G)/%.skel.h: $(G)/%.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name $*_bpf > $@

$(G)/%.lskel.h: $(G)/%.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton -L $< name $*_lbpf > $@

$(B)/locale/%/LC_MESSAGES/portero.mo: po/%.po
	@mkdir -p $(@D)
	$(call say,MO,$@)
	$(Q)msgfmt --check -o $@ $<

# --- tests ---------------------------------------------------------------------------------------

$(B)/unit/%: tests/unit/%.c $(LIB_OBJ)
	@mkdir -p $(@D)
	$(call say,TEST,$@)
	$(Q)$(CC) $(CPPFLAGS) -Itests/unit -DTEST_DATA='"$(CURDIR)/tests"' $(CFLAGS) $(OURFLAGS) $(LDFLAGS) $(if $(LTO),-fno-lto) \
		-MMD -MP -o $@ $< $(LIB_OBJ) $(LDLIBS) -lcmocka

# What the namespace tests drive parts of portero with.
NETNS_TOOLS := $(patsubst tests/netns/tools/%.c,$(B)/netns/%,$(sort $(wildcard tests/netns/tools/*.c)))

$(B)/netns/%: tests/netns/tools/%.c $(LIB_OBJ)
	@mkdir -p $(@D)
	$(call say,TEST,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(OURFLAGS) $(LDFLAGS) -MMD -MP -o $@ $< $(LIB_OBJ) $(LDLIBS)

# The guard as another version of portero has it: "code": other code, by another instruction set;
# "maps": other maps, with another GUARD_ABI.
OTHER := $(B)/netns/other

$(OTHER)/code/bpf/guard_abi.h: src/bpf/guard_abi.h
	@mkdir -p $(@D)
	$(Q)cp $< $@

$(OTHER)/maps/bpf/guard_abi.h: src/bpf/guard_abi.h
	@mkdir -p $(@D)
	$(Q)sed -e 's/GUARD_ABI = [0-9]*/GUARD_ABI = 99/' -e 's/__u32 reserved2;/&__u64 more;/' \
		-e 's/sizeof(struct guard_config) == 64/sizeof(struct guard_config) == 72/' $< > $@

$(OTHER)/%/guard.bpf.o: $(OTHER)/%/bpf/guard_abi.h $(G)/guard.bpf.o
	$(call say,BPF,$@)
	$(Q)$(CLANG) -O2 -mcpu=v2 -g -target bpf -Wall -Wextra -Wno-missing-declarations -I$(OTHER)/$* -Isrc \
		$(addprefix -I,$(wildcard /usr/include/$(shell uname -m)-linux-gnu)) -c -o $@ src/bpf/guard.bpf.c

$(OTHER)/%/guard.skel.h: $(OTHER)/%/guard.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name guard_bpf > $@

$(B)/netns/guard_load_%: tests/netns/tools/guard_load.c $(OTHER)/%/guard.skel.h $(LIB_OBJ)
	$(call say,TEST,$@)
	$(Q)$(CC) -I$(OTHER)/$* $(CPPFLAGS) $(CFLAGS) $(OURFLAGS) -Wno-cast-qual $(LDFLAGS) -o $@ $< $(wildcard src/enforce/guard*.c) \
		$(filter-out $(B)/obj/enforce/guard%,$(LIB_OBJ)) $(LDLIBS)

NETNS_TOOLS += $(B)/netns/guard_load_code $(B)/netns/guard_load_maps

# realpath, because BUILD may be absolute or not, and either may have a space in it
PYTEST = PORTERO="$$(realpath "$(B)/portero")" SAN=$(SAN) $(PYTHON) -B -m pytest -q -p no:cacheprovider

unit-build: $(UNIT)

unit: $(UNIT)
	@for t in $(UNIT); do $$t || exit 1; done

golden: all $(B)/netns/policy_rules
	$(PYTEST) tests/golden

check: all unit $(NETNS_TOOLS) $(B)/netns/oracle
	$(PYTEST) tests/golden tests/netns

# A thousand random rulesets, which takes an hour, of a hundred what explain says, and fifty scans in each weather; a
# slice of all is in check.
check-long: all $(NETNS_TOOLS) $(B)/netns/oracle check-daemons
	PORTERO_RANDOM=$${PORTERO_RANDOM:-1000} PORTERO_EXPLAIN=$${PORTERO_EXPLAIN:-100} \
		PORTERO_SCAN_RUNS=$${PORTERO_SCAN_RUNS:-50} $(PYTEST) -s \
		tests/netns/test_random.py tests/netns/test_explain_random.py tests/netns/test_scan_runs.py

# What runs inside of the virtual machines besides portero.
VM_TOOLS := $(patsubst tests/vm/%.c,$(B)/vm/%,$(wildcard tests/vm/*.c)) $(B)/netns/guard_load \
	$(B)/netns/guard_try

$(B)/vm/%: tests/vm/%.c | $(SKEL)
	@mkdir -p $(@D)
	$(call say,TEST,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(OURFLAGS) $(LDFLAGS) -MMD -MP -Wl,--as-needed -o $@ $< $(LDLIBS)

# gcc's dependencies leave out what -isystem found
$(B)/vm/ladder: $(SKEL)

# All of them, or those that are named: FRONTENDS="tests/frontends/test_ufw.py ..."
FRONTENDS ?= tests/frontends

check-frontends: all $(B)/netns/oracle
	$(PYTEST) $(FRONTENDS)

# Real daemons asked what they are: all of them, or DAEMONS="redis nginx"; NMAP=1 asks nmap as well, for the table.
DAEMONS ?= all

check-daemons: all $(NETNS_TOOLS)
	DAEMONS="$(DAEMONS)" NMAP=$(NMAP) BUILD="$(B)" $(PYTEST) tests/daemons

# The judge of reach shares no code with portero.
$(B)/netns/oracle: $(wildcard tests/netns/oracle/*.c tests/netns/oracle/*.h) Makefile
	@mkdir -p $(@D)
	$(call say,TEST,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(OURFLAGS) $(LDFLAGS) -o $@ $(filter %.c,$^)

vm-build: $(VM_TOOLS)

check-vm: all vm-build
	VM_TOOLS="$(abspath $(VM_TOOLS))" $(PYTEST) tests/vm

FUZZ_FLAGS = -O1 -g -std=gnu17 -pthread $(shell pkg-config --cflags $(PKGS))
FUZZ_OBJ  := $(patsubst $(B)/obj/%,build/fuzz/obj/%,$(LIB_OBJ))

build/fuzz/obj/gen/%.o: $(G)/%.c Makefile
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(CPPFLAGS) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link,address,undefined -MMD -MP -c -o $@ $<

build/fuzz/obj/%.o: src/%.c Makefile | $(SKEL)
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CLANG) $(CPPFLAGS) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link,address,undefined -MMD -MP -c -o $@ $<

build/fuzz/%: tests/fuzz/%.c $(FUZZ_OBJ)
	@mkdir -p $(@D)
	$(call say,FUZZ,$@)
	$(Q)$(CLANG) $(CPPFLAGS) $(FUZZ_FLAGS) -fsanitize=fuzzer,address,undefined -o $@ $< $(FUZZ_OBJ) $(LDLIBS)

fuzz-build: $(FUZZ)

fuzz: $(FUZZ:%=%.run)

.PHONY: $(FUZZ:%=%.run)
$(FUZZ:%=%.run): %.run: %
	@tools/run-fuzzer $< $(FUZZ_SECONDS)

bench: all $(B)/netns/policy_rules $(B)/netns/guard_load
	PORTERO="$$(realpath "$(B)/portero")" $(PYTHON) tests/bench/bench.py

# portero scan -sV next to nmap -sV on real daemons, which takes long, as nmap does; goes on where it was cut off.
bench-services: all
	PORTERO="$$(realpath "$(B)/portero")" nice $(PYTHON) -B tests/daemons/compare.py $(BENCH_SERVICES) \
		$(if $(filter all,$(DAEMONS)),--write docs/service-detection.md,$(DAEMONS))

lint: all
	BUILD="$(B)" tools/lint

# --- messages ------------------------------------------------------------------------------------

pot:
	tools/update-messages

# --- install -------------------------------------------------------------------------------------

install: all
	install -D -m 755 $(B)/portero $(DESTDIR)$(PREFIX)/bin/portero
	for l in $(LINGUAS); do install -D -m 644 $(B)/locale/$$l/LC_MESSAGES/portero.mo \
		$(DESTDIR)$(PREFIX)/share/locale/$$l/LC_MESSAGES/portero.mo || exit 1; done
	for m in man/*.[0-9]; do install -D -m 644 $$m \
		$(DESTDIR)$(PREFIX)/share/man/man$${m##*.}/$${m##*/} || exit 1; done
	install -D -m 644 data/policy.schema.json $(DESTDIR)$(PREFIX)/share/portero/policy.schema.json
	for f in data/schemas/*.json; do install -D -m 644 $$f \
		$(DESTDIR)$(PREFIX)/share/portero/schemas/$${f##*/} || exit 1; done
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	sed 's|@PREFIX@|$(PREFIX)|' data/systemd/portero.service > $(DESTDIR)$(PREFIX)/lib/systemd/system/portero.service
	# where apt is: the guard learns upgraded programs again
	if [ -d /etc/apt/apt.conf.d ]; then install -d $(DESTDIR)/etc/apt/apt.conf.d && \
		sed 's|@PREFIX@|$(PREFIX)|g' data/apt/99portero > $(DESTDIR)/etc/apt/apt.conf.d/99portero; fi
	install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions \
		$(DESTDIR)$(PREFIX)/share/zsh/vendor-completions $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	$(B)/portero completion bash > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/portero
	$(B)/portero completion zsh > $(DESTDIR)$(PREFIX)/share/zsh/vendor-completions/_portero
	$(B)/portero completion fish > $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/portero.fish

clean:
	rm -rf $(BUILD)

-include $(OBJ:.o=.d) $(FUZZ_OBJ:.o=.d) $(UNIT:=.d) $(NETNS_TOOLS:=.d) $(VM_TOOLS:=.d)
