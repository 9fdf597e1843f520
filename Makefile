# virgldrm. `make help` lists what there is; artefacts go to build/.

LIB    := build/libvirglrenderer.so.1
SIM    := build/libdrmsim.so
REPLAY := build/replay

CC      ?= gcc
CFLAGS  := -std=gnu11 -O2 -g -Wall -Wextra -Wshadow -Werror
COMPILE  = echo "CC    $@"; $(CC) $(CFLAGS)
RECORDS := turnip-vulkaninfo turnip-vktest caps console
REPLAYS := $(RECORDS:%=testdata/recordings/%.vrec.xz)

# GPU jobs take as long as they did when the recordings were made.
WITH_SIM := DRMSIM_GPU_US=300 LD_PRELOAD=$(CURDIR)/$(SIM) VIRGLDRM_CRASH_ON_PANIC=1

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

demo: ## a real guest's traffic through the library, on a simulated GPU
	@build/deps.sh demo
	@$(MAKE) --no-print-directory lib $(SIM) $(REPLAY)
	@$(WITH_SIM) $(REPLAY) --lib $(LIB) --page $(REPLAYS)

test: ## everything that proves the product
	@build/deps.sh test
	@$(MAKE) --no-print-directory lib $(SIM)
	@MAKE=$(MAKE) tests/run.sh vet headers go-test sim-test boot host replays abi fuzz install-test clients shim

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
	@test -z "$$(gofmt -l .)" || { echo "run gofmt on:"; gofmt -l .; exit 1; }
	@go vet ./...
	@! go list -deps ./capi | grep '\..*/' | grep -v ^vendor/ || { echo "the library must not depend on the modules above"; exit 1; }

go-test: sim ## Go tests with the race detector, on the simulated kernel
	go test -race -shuffle=on $$(go list ./... | grep -v /internal/headers)

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

arm64: lib $(SIM) ## the same and the harness for arm64, under qemu-user
	@tests/host/arm64.sh build

replays: lib $(SIM) $(REPLAY) build/libbreaker.so ## recordings of real guests agree in every answer
	@$(WITH_SIM) tests/c/replay_breaks.sh $(REPLAY) build/libbreaker.so testdata/recordings/turnip-vktest.vrec.xz
	@$(WITH_SIM) $(REPLAY) --lib $(LIB) $(REPLAYS)
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

FUZZTIME ?= 30s
FUZZ := wire:FuzzBatch wire:FuzzCapset msm:FuzzCommandStream msm:FuzzResponsePlacement msm:FuzzCapset

fuzz: lib $(SIM) build/fuzz_abi ## FUZZTIME=30s for each fuzzer
	@for f in $(FUZZ); do echo "== $$f"; \
		go test ./$${f%:*} -run='^$$' -fuzz="^$${f#*:}$$" -fuzztime=$(FUZZTIME) || exit 1; done
	@echo "== the C API"
	@$(WITH_SIM) build/fuzz_abi --lib $(LIB) --time $(FUZZTIME)
build/fuzz_abi: $(wildcard tests/c/fuzz_abi*.[ch] include/*.h) tests/c/functions.h tests/sim/drmsim.h
	@$(COMPILE) -Iinclude -Itests/sim -o $@ $(filter %.c,$^) -ldl -lpthread

soak: $(SIM) ## SOAK=5m: random jobs, hangs and destroyed contexts
	SOAK=$(or $(SOAK),5m) go test -run=Soak -v -timeout=0 ./msm

bench: lib $(SIM) build/bench ## the library beside the bare ioctls; run it on an idle machine
	@LD_PRELOAD=$(CURDIR)/$(SIM) build/bench --lib $(LIB) --benchstat build/bench.txt
build/bench: $(wildcard tests/bench/*.[ch] include/*.h) tests/sim/drmsim.h
	@$(COMPILE) -Iinclude -Itests/sim -o $@ $(filter %.c,$^) -ldl -lpthread

vm: lib $(SIM) ## a Linux guest with Turnip on QEMU and the simulated GPU: CMD='...', SHELL_ON_SERIAL=1
	@tests/e2e/vm.sh

e2e: lib $(SIM) ## the same in every scenario of tests/e2e, or SCENARIOS='a b'; LIB=path for another library
	@tests/e2e/run.sh $(SCENARIOS)

install: lib ## DESTDIR= PREFIX=: library, headers, virglrenderer.pc
	@build/install.sh

install-test: lib ## what `make install` installs, through pkg-config
	@tests/install/run.sh build

clients: lib ## Debian's virgl_test_server and QEMU 11 find every symbol in the library
	@tests/clients/run.sh build

shim: lib ## the library on Mesa's own simulated Adreno
	@tests/shim/run.sh build

clean: ## remove what was built
	git clean -fdqX build

.PHONY: help demo test lib sim vet headers go-test sim-test boot host arm64 replays abi fuzz soak bench vm e2e install install-test clients shim clean
