// stacks LIB: first and later calls on every kind of stack a VMM has, with the cost of a call on each.
#define _GNU_SOURCE
#include "host.h"

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

enum { GUARD = 65536, CALLS = 1000, ROUNDS = 20, MANY_NS = 5000 };

static struct guest g;

// init, a context, jobs with fences, garbage, and the price of the cheapest call that enters a context.
static void whole_life(void)
{
    uint64_t best = 0;

    EXPECT(lib_init() == 0);
    EXPECT(guest_open(&g, 1, 2));
    for (int i = 0; i < 50; i++)
        EXPECT(guest_job_fence(&g, (uint32_t)i % 2 + 1));
    EXPECT(fences_wait());
    busy_calls(20000);
    for (int round = 0; round < ROUNDS; round++) { // the best one: others were disturbed
        uint64_t start = now_ns(), ns;
        for (int i = 0; i < CALLS; i++)
            guest_nop(&g);
        ns = (now_ns() - start) / CALLS;
        best = round && best < ns ? best : ns;
    }
    note("%u ns per call", (unsigned)best);
    EXPECT(best < MANY_NS || emulated()); // looking up an unknown stack takes ten times that
    EXPECT(g.shm->base.seqno == g.seqno);
    EXPECT(api.virgl_renderer_submit_cmd(&g, 99, 1) != 0); // errors take more stack than success
    guest_close(&g);
    api.virgl_renderer_cleanup(NULL);
    EXPECT(fences_all_once());
}

// Memory of exactly this size: the pages around it fault.
static char *guarded(size_t size)
{
    char *p = mmap(NULL, size + 2 * GUARD, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED || mprotect(p + GUARD, size, PROT_READ | PROT_WRITE))
        _exit(2);
    return p + GUARD;
}

// ---- coroutines

struct coroutine {
    ucontext_t self, caller;
    void (*run)(void);
};
static __thread struct coroutine *current;

static void body(void)
{
    struct coroutine *c = current;

    c->run();
    swapcontext(&c->self, &c->caller);
}

static void enter(struct coroutine *c)
{
    current = c;
    swapcontext(&c->caller, &c->self);
}

static void leave(struct coroutine *c) { swapcontext(&c->self, &c->caller); }

static void prepare(struct coroutine *c, size_t size, void (*run)(void))
{
    getcontext(&c->self);
    c->self.uc_stack.ss_sp = guarded(size);
    c->self.uc_stack.ss_size = size;
    c->self.uc_link = NULL;
    c->run = run;
    makecontext(&c->self, body, 0);
}

static void on_coroutine(size_t size)
{
    struct coroutine c;

    lib_load();
    prepare(&c, size, whole_life);
    enter(&c);
    whole_life(); // once more on the thread's own stack, and then on the next one
    prepare(&c, size, whole_life);
    enter(&c);
}

static void main_thread(void) { lib_load(), whole_life(); }
static void coroutine_1m(void) { on_coroutine(1 << 20); }
static void coroutine_64k(void) { on_coroutine(64 << 10); }
static void coroutine_16k(void) { on_coroutine(16 << 10); }

// ---- threads

static void *thread_main(void *run)
{
    (*(void (**)(void))run)();
    return NULL;
}

static void on_thread(size_t size, void (*run)(void))
{
    pthread_attr_t attr;
    pthread_t thread;

    pthread_attr_init(&attr);
    if (size && size < (size_t)PTHREAD_STACK_MIN) // 128 KiB on arm64
        size = (size_t)PTHREAD_STACK_MIN;
    if (size)
        EXPECT(pthread_attr_setstacksize(&attr, size) == 0);
    if (EXPECT(pthread_create(&thread, &attr, thread_main, &run) == 0))
        pthread_join(thread, NULL);
}

static void coroutine_on_thread(void)
{
    struct coroutine c;

    prepare(&c, 64 << 10, whole_life);
    enter(&c);
}

static void thread_min(void) { lib_load(), on_thread((size_t)PTHREAD_STACK_MIN, whole_life); }
static void thread_64k(void) { lib_load(), on_thread(64 << 10, whole_life); }
static void thread_coroutine(void) { lib_load(), on_thread(0, coroutine_on_thread); }

static void one_job(void)
{
    for (int i = 0; i < 20; i++)
        EXPECT(guest_nop(&g) && guest_job_fence(&g, 1));
}

static void changing_threads(void)
{
    uint64_t begin;

    lib_load();
    EXPECT(lib_init() == 0);
    EXPECT(guest_open(&g, 1, 1));
    begin = now_ns();
    for (int i = 0; i < 300; i++)
        on_thread(i % 2 ? 0 : 64 << 10, one_job);
    note("%u us per thread that makes 60 calls and ends", (unsigned)((now_ns() - begin) / 300000));
    EXPECT(fences_wait() && fences_made() == 6000);
    EXPECT(g.shm->base.seqno == g.seqno);
    EXPECT(thread_count() < 16);
}

// ---- signal handlers

static void (*handler_run)(void);
static void handler(int sig) { (void)sig, handler_run(); }

static void on_altstack(size_t size)
{
    stack_t stack = { .ss_sp = guarded(size), .ss_size = size };
    struct sigaction a = { .sa_handler = handler, .sa_flags = SA_ONSTACK };

    lib_load();
    handler_run = whole_life;
    EXPECT(sigaltstack(&stack, NULL) == 0);
    sigaction(SIGUSR1, &a, NULL);
    raise(SIGUSR1);
    raise(SIGUSR1);
    whole_life();
}

static void altstack_64k(void) { on_altstack(64 << 10); }
static void altstack_32k(void) { on_altstack(32 << 10); }

// ---- switching stacks inside callbacks

static struct coroutine other;
static volatile int switches;

static void worker_coroutine(void)
{
    for (;;) {
        EXPECT(guest_nop(&g));
        busy_calls(100);
        switches++;
        leave(&other);
    }
}

static void switch_away(uint32_t ctx, uint32_t ring, uint64_t id)
{
    static bool nested;

    (void)ctx, (void)ring, (void)id;
    if (nested)
        return;
    nested = true;
    enter(&other); // runs on another stack, calls the library there, and comes back
    nested = false;
}

// Inside calls: the callback of a ring 0 fence runs under create_fence, here with frames of the library below it.
static void switch_in_call(void)
{
    lib_load();
    EXPECT(lib_init() == 0);
    EXPECT(guest_open(&g, 1, 1));
    prepare(&other, 64 << 10, worker_coroutine);
    on_fence = switch_away;
    for (int i = 0; i < 1000; i++)
        EXPECT(guest_fence(&g, 0));
    EXPECT(switches == 1000 && fences_all_once());
}

// On the library's own thread.
static void switch_on_waiter(void)
{
    lib_load();
    EXPECT(lib_init() == 0);
    EXPECT(guest_open(&g, 1, 1));
    prepare(&other, 64 << 10, worker_coroutine);
    sim("gpu_us 100");
    on_fence = switch_away;
    for (int i = 0; i < 500; i++)
        EXPECT(guest_job(&g, 1) && guest_fence(&g, 1) && fences_wait());
    EXPECT(switches == 500 && fences_all_once());
}

// A coroutine is left in the middle of a call, and the thread goes on with others before it comes back.
static void yield(uint32_t ctx, uint32_t ring, uint64_t id)
{
    (void)ctx, (void)ring, (void)id;
    on_fence = NULL;
    leave(&other);
}

static void yields_in_call(void)
{
    for (;;) {
        on_fence = yield;
        EXPECT(guest_fence(&g, 0));
        switches++;
        leave(&other);
    }
}

static void parked_call(void)
{
    lib_load();
    EXPECT(lib_init() == 0);
    EXPECT(guest_open(&g, 1, 1));
    prepare(&other, 64 << 10, yields_in_call);
    for (int i = 0; i < 500; i++) {
        enter(&other); // stops inside its callback
        EXPECT(guest_nop(&g) && guest_fence(&g, 0) && guest_job_fence(&g, 1));
        busy_calls(500);
        enter(&other); // ends its call
        EXPECT(switches == i + 1);
    }
    EXPECT(fences_wait() && fences_all_once());
}

int main(int argc, char **argv)
{
    static const struct host_case cases[] = {
        { "calls on the main thread", main_thread },
        { "calls on coroutines of 1 MiB", coroutine_1m },
        { "calls on coroutines of 64 KiB", coroutine_64k },
        { "calls on coroutines of 16 KiB", coroutine_16k },
        { "calls on a thread of 64 KiB", thread_64k },
        { "calls on a thread of PTHREAD_STACK_MIN", thread_min },
        { "calls on a coroutine of a thread", thread_coroutine },
        { "calls on 300 threads, one after another, for one context", changing_threads },
        { "calls in a signal handler on an alternate stack of 64 KiB", altstack_64k },
        { "calls in a signal handler on an alternate stack of 32 KiB", altstack_32k },
        { "a callback inside a call switches stacks and calls", switch_in_call },
        { "a callback on the library's thread switches stacks and calls", switch_on_waiter },
        { "a coroutine parked inside a call while its thread makes others", parked_call },
    };

    return RUN_CASES(argc, argv, cases);
}
