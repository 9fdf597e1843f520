# virgldrm. `make help` lists what there is; artefacts go to build/.

LIB    := build/libvirglrenderer.so.1
SIM    := build/libdrmsim.so
REPLAY := build/replay

CC      ?= gcc
CFLAGS  := -std=gnu11 -O2 -g -Wall -Wextra -Wshadow -Werror
COMPILE  = echo "CC    $@"; $(CC) $(CFLAGS)
RECORDS := turnip-vulkaninfo turnip-vktest caps console
REPLAYS := $(RECORDS:%=testdata/recordings/%.vrec.xz)
REPLAYS_ASAHI := testdata/recordings/asahi-vulkaninfo-vktest.vrec.xz

# GPU jobs take as long as they did when the recordings were made. A virglrenderer of this machine changes nothing.
WITH_SIM := DRMSIM_GPU_US=300 LD_PRELOAD=$(CURDIR)/$(SIM) VIRGLDRM_CRASH_ON_PANIC=1 VIRGLDRM_DELEGATE=none

help: ## list the targets
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

demo: ## a real guest's traffic through the library, on a simulated GPU
	@build/deps.sh demo
	@$(MAKE) --no-print-directory lib $(SIM) $(REPLAY)
	@$(WITH_SIM) $(REPLAY) --lib $(LIB) --page $(REPLAYS)

test: ## everything that proves the product
	@build/deps.sh test
	@$(MAKE) --no-print-directory lib $(SIM)
	@MAKE=$(MAKE) tests/run.sh vet headers go-test sim-test boot host toolchain overlay-off replays abi delegate coverage sanitize fuzz install-test clients shim

lib: ## build/libvirglrenderer.so.1
	@build/lib.sh

sim: $(SIM) ## the simulated kernel, build/libdrmsim.so

$(SIM): $(wildcard tests/sim/*.c tests/sim/*.h)
	@$(COMPILE) -fPIC -shared -o $@ $(filter %.c,$^) -ldl -lpthread

$(REPLAY): $(wildcard tests/c/replay*.c tests/c/vrec.c tests/c/*.h include/*.h tests/sim/drmsim.h)
	@$(COMPILE) -Iinclude -Itests/sim -o $@ $(filter %.c,$^) -ldl -lpthread

BOOTS := $(patsubst tests/c/%.c,build/%,$(wildcard tests/c/boot_*.c))
build/boot_%: tests/c/boot_%.c include/virgl_renderer_drm.h
	@$(COMPILE) -Iinclude -o $@ $< -ldl -lpthread

vet: ## formatting and go vet
	@bad=$$(gofmt -l .) && test -z "$$bad" || { echo "run gofmt on:" $$bad; exit 1; }
	@go vet ./...
	@! go list -deps ./capi | grep '\..*/' | grep -v ^vendor/ || { echo "the library must not depend on the modules above"; exit 1; }

go-test: sim ## Go tests with the race detector, on the simulated kernel
	go test -race -shuffle=on -coverpkg=$$(go list ./... | grep -Ev "/(internal|capi)" | paste -sd,) -coverprofile=build/cover.out $$(go list ./... | grep -v /internal/headers)

headers: ## our headers and structs against the distribution's and the kernel's
	@go test -v -count=1 ./internal/headers

sim-test: $(SIM) build/sim-selftest ## the simulated kernel against the rules of the real one
	@echo "== without leaks"; LD_PRELOAD=$(CURDIR)/$(SIM) valgrind -q --error-exitcode=9 --trace-children=yes \
		--child-silent-after-fork=yes --leak-check=full --show-leak-kinds=all --errors-for-leak-kinds=all build/sim-selftest
	@echo "== natively"; LD_PRELOAD=$(CURDIR)/$(SIM) build/sim-selftest
build/sim-selftest: $(wildcard tests/sim/selftest/*.[ch]) tests/sim/drmsim.h
	@$(COMPILE) -Itests/sim -o $@ $(filter %.c,$^) -ldl -lpthread

boot: lib $(SIM) $(BOOTS) ## loading, forking, racing inits, signals
	@for b in $(BOOTS); do echo "== $$b"; $(WITH_SIM) $$b $(CURDIR)/$(LIB) || exit 1; done

host: lib $(SIM) ## at home in any VMM: sandboxes, signals, stacks, memory, leaving
	@tests/host/run.sh build

toolchain: ## what the library cannot be built with is refused in one sentence
	@tests/host/toolchain.sh

sanitize: lib $(SIM) $(REPLAY) build/abi ## under the race detector, cgocheck2 and valgrind
	@tests/host/sanitize.sh build

OFF := build/overlay-off
overlay-off: $(SIM) $(BOOTS) build/abi ## the library built with OVERLAY=off: all the same, but crosvm's policy kills it
	@OVERLAY=off OUT=$(OFF) build/lib.sh
	@cp $(SIM) $(OFF)
	@for b in $(BOOTS); do echo "== $$b"; OVERLAY=off $(WITH_SIM) $$b $(CURDIR)/$(OFF)/$(notdir $(LIB)) || exit 1; done
	@$(WITH_SIM) build/abi --lib $(OFF)/$(notdir $(LIB))
	@OVERLAY=off tests/host/run.sh $(OFF)

arm64: lib $(SIM) ## the same and the harness for arm64, under qemu-user
	@tests/host/arm64.sh build

replays: lib $(SIM) $(REPLAY) build/libbreaker.so ## recordings of real guests agree in every answer
	@$(WITH_SIM) tests/c/replay_breaks.sh $(REPLAY) build/libbreaker.so testdata/recordings/turnip-vktest.vrec.xz
	@$(WITH_SIM) $(REPLAY) --lib $(LIB) $(REPLAYS)
	@DRMSIM_DRIVER=asahi $(WITH_SIM) tests/c/replay_breaks.sh $(REPLAY) build/libbreaker.so $(REPLAYS_ASAHI)
	@DRMSIM_DRIVER=asahi $(WITH_SIM) $(REPLAY) --lib $(LIB) $(REPLAYS_ASAHI)
build/libbreaker.so: tests/c/breaker.c | lib
	@$(COMPILE) -Iinclude -fPIC -shared -o $@ $< -Wl,--no-as-needed $(LIB) -Wl,-rpath,'$$ORIGIN' -ldl

ABI_SRC := $(wildcard tests/c/abi*.c) tests/c/harness.c
ABI_DEP := $(ABI_SRC) $(wildcard tests/c/*.h include/*.h) tests/sim/drmsim.h
ABI     := build/abi build/abi-linked build/abi-asan build/abi-distro

abi: lib $(SIM) $(ABI) ## every rule of the C API: dlopen, linked, sanitized, the distribution's header
	@$(WITH_SIM) build/abi --lib $(LIB)
	@$(WITH_SIM) build/abi --lib $(LIB) --mode deepbind
	@$(WITH_SIM) build/abi-linked
	@$(WITH_SIM) build/abi-asan --lib $(LIB)
	@$(WITH_SIM) build/abi-distro --lib $(LIB)
build/abi: $(ABI_DEP)
	@$(COMPILE) -Iinclude -Itests/sim -o $@ $(ABI_SRC) -ldl -lpthread
build/abi-linked: $(ABI_DEP) | lib
	@$(COMPILE) -DABI_LINKED -Iinclude -Itests/sim -o $@ $(ABI_SRC) $(LIB) -Wl,-rpath,'$$ORIGIN' -ldl -lpthread
build/abi-asan: $(ABI_DEP)
	@$(COMPILE) -fsanitize=address -static-libasan -Iinclude -Itests/sim -o $@ $(ABI_SRC) -ldl -lpthread
build/abi-distro: $(ABI_DEP)
	@build/fetch.sh forky build/virgl-forky libvirglrenderer-dev
	@$(COMPILE) -DABI_DISTRO_HEADER -Ibuild/virgl-forky/usr/include -Iinclude -Itests/sim -o $@ $(ABI_SRC) -ldl -lpthread

DELEGATE_SRC := $(filter-out %_fake.c,$(wildcard tests/c/delegate_*.c)) $(addprefix tests/c/,abi_check.c abi_guest.c \
                abi_leaks.c abi_load.c abi_vmm.c harness.c)
DELEGATE_DEP := $(DELEGATE_SRC) $(wildcard tests/c/*.h include/*.h) tests/sim/drmsim.h
FAKES        := $(addprefix build/delegate-,full.so old.so lacks.so malloc.so)

delegate: lib $(SIM) build/delegate build/delegate-linked build/delegate-asan $(FAKES) ## in front of another virglrenderer: whose is which call
	@$(WITH_SIM) build/delegate --lib $(LIB)
	@$(WITH_SIM) build/delegate-linked
	@$(WITH_SIM) build/delegate-asan --lib $(LIB)
	@build/fetch.sh "$$(. /etc/os-release; echo $$VERSION_CODENAME)" build/jemalloc libjemalloc2
	@$(WITH_SIM) LD_PRELOAD=$(CURDIR)/$(SIM):$$(echo $(CURDIR)/build/jemalloc/usr/lib/*/libjemalloc.so.2) build/delegate-linked
build/delegate: $(DELEGATE_DEP)
	@$(COMPILE) -rdynamic -Iinclude -Itests/sim -o $@ $(DELEGATE_SRC) -ldl -lpthread
build/delegate-linked: $(DELEGATE_DEP) | lib
	@$(COMPILE) -rdynamic -DABI_LINKED -Iinclude -Itests/sim -o $@ $(DELEGATE_SRC) $(LIB) -Wl,-rpath,'$$ORIGIN' -ldl -lpthread
build/delegate-asan: $(DELEGATE_DEP)
	@$(COMPILE) -rdynamic -fsanitize=address -static-libasan -Iinclude -Itests/sim -o $@ $(DELEGATE_SRC) -ldl -lpthread
build/delegate-old.so: FAKE := -DOLD
build/delegate-lacks.so: FAKE := -DLACKS
build/delegate-malloc.so: FAKE := -DOWN_MALLOC
$(FAKES): tests/c/delegate_fake.c $(wildcard include/*.h tests/c/delegate_fake.h)
	@$(COMPILE) $(FAKE) -Iinclude -fPIC -shared -fvisibility=default -o $@ $<

coverage: $(SIM) $(REPLAY) build/abi build/delegate $(FAKES) build/cover.out ## what the Go tests and the C harnesses run; build/coverage/unrun lists the rest
	@tests/coverage.sh build build/cover.out
build/cover.out: $(wildcard */*.go internal/*/*.go)
	@$(MAKE) --no-print-directory go-test

FUZZTIME ?= 30s
DRIVERS := msm asahi
FUZZ := wire:FuzzBatch wire:FuzzCapset \
	$(foreach d,$(DRIVERS),$(d):FuzzCommandStream $(d):FuzzResponsePlacement $(d):FuzzCapset)

fuzz: lib $(SIM) build/fuzz_abi ## FUZZTIME=30s for each fuzzer
	@tests/fuzz.sh $(FUZZTIME) $(FUZZ)
	@echo "== the C API"
	@$(WITH_SIM) build/fuzz_abi --lib $(LIB) --time $(FUZZTIME)
build/fuzz_abi: $(wildcard tests/c/fuzz_abi*.[ch] include/*.h) tests/c/functions.h tests/sim/drmsim.h
	@$(COMPILE) -Iinclude -Itests/sim -o $@ $(filter %.c,$^) -ldl -lpthread

soak: $(SIM) ## SOAK=5m: random jobs, hangs and destroyed contexts
	SOAK=$(or $(SOAK),5m) go test -count=1 -run='^Test$$/Soak' -v -timeout=0 $(DRIVERS:%=./%)

bench: lib $(SIM) build/bench ## the library beside the bare ioctls; run it on an idle machine
	@LD_PRELOAD=$(CURDIR)/$(SIM) VIRGLDRM_DELEGATE=none build/bench --lib $(LIB) --benchstat build/bench.txt
build/bench: $(wildcard tests/bench/*.[ch] include/*.h) tests/sim/drmsim.h
	@$(COMPILE) -Iinclude -Itests/sim -o $@ $(filter %.c,$^) -ldl -lpthread

vm: lib $(SIM) ## a Linux guest on QEMU and the simulated GPU: CMD='...', SHELL_ON_SERIAL=1, GPU=asahi
	@tests/e2e/vm.sh

e2e: lib $(SIM) ## the same in every scenario of tests/e2e, or SCENARIOS='a b'; LIB=path for another library
	@tests/e2e/run.sh $(SCENARIOS)

$(LIB):
	@build/lib.sh
install: | $(LIB) ## DESTDIR= PREFIX=: library, headers, virglrenderer.pc
	@build/install.sh

install-test: lib ## what `make install` installs, through pkg-config
	@tests/install/run.sh build

clients: lib ## Debian's virgl_test_server and QEMU 11 find every symbol in the library
	@tests/clients/run.sh build

shim: lib ## the library on Mesa's own simulated Adreno
	@tests/shim/run.sh build

clean: ## remove what was built
	@find build -mindepth 1 -maxdepth 1 ! -name '*.awk' ! -name '*.sh' ! -name '*.lds' ! -name '*.map' ! -name '*.in' -exec rm -rf {} +

.PHONY: help demo test lib sim vet headers go-test sim-test boot host toolchain overlay-off sanitize arm64 replays abi delegate coverage fuzz soak bench vm e2e install install-test clients shim clean
