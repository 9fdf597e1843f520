// faults LIB: SIGBUS, SIGSEGV and SIGFPE. Faults in the host's code are the host's, faults on guest memory are the library's.
#define _GNU_SOURCE
#include "host.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096 };

static struct guest g;

static void start(void)
{
    lib_load();
    EXPECT(lib_init() == 0);
    EXPECT(guest_open(&g, 1, 1));
}

static void handle(int sig, void (*handler)(int, siginfo_t *, void *))
{
    struct sigaction a = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };

    sigaction(sig, &a, NULL);
}

// A page that belongs to a file no longer: touching it raises SIGBUS.
static char *lost_page(void)
{
    int fd = memfd_create("lost", MFD_CLOEXEC);
    char *page = MAP_FAILED;

    if (fd >= 0 && ftruncate(fd, PAGE) == 0)
        page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (page == MAP_FAILED || ftruncate(fd, 0))
        _exit(2);
    close(fd);
    return page;
}

static __thread sigjmp_buf way_out;
static volatile int hits, last_signal, last_code;
static void *volatile last_address;

static void jump_out(int sig, siginfo_t *info, void *unused)
{
    (void)unused;
    hits++;
    last_signal = sig;
    last_code = info->si_code;
    last_address = info->si_addr;
    siglongjmp(way_out, 1);
}

static void *touch(void *page)
{
    if (sigsetjmp(way_out, 1) == 0)
        *(volatile char *)page = 1;
    return NULL;
}

static void fault_here(void *page, int sig, int code)
{
    int before = hits;

    touch(page);
    EXPECT(hits == before + 1 && last_signal == sig && last_code == code && last_address == page);
}

static void *call_and_fault(void *page)
{
    guest_nop(&g);
    touch(page);
    guest_nop(&g); // the jump did not harm the runtime
    return NULL;
}

static void on_thread(void *(*run)(void *), void *page)
{
    pthread_t thread;
    int before = hits;

    pthread_create(&thread, NULL, run, page);
    pthread_join(thread, NULL);
    EXPECT(hits == before + 1);
}

static void faults_go_to_the_host(void)
{
    char *lost = lost_page(), *none = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    handle(SIGBUS, jump_out);
    handle(SIGSEGV, jump_out);
    handle(SIGFPE, jump_out);
    start();
    for (int i = 0; i < 100; i++) {
        fault_here(lost, SIGBUS, BUS_ADRERR);
        fault_here(none, SIGSEGV, SEGV_ACCERR);
        EXPECT(guest_nop(&g));
    }
    on_thread(touch, lost); // a thread that never called
    on_thread(call_and_fault, lost);
    on_thread(call_and_fault, none);
    if (sigsetjmp(way_out, 1) == 0)
        raise(SIGFPE);
    EXPECT(last_signal == SIGFPE);
    busy_calls(400000); // through collections
    EXPECT(guest_nop(&g));
    EXPECT(g.shm->base.seqno == g.seqno);
}

static char *lost_in_callback;
static void touch_in_callback(uint32_t ctx, uint32_t ring, uint64_t id)
{
    (void)ctx, (void)ring, (void)id;
    touch(lost_in_callback);
}

static void faults_in_callbacks_go_to_the_host(void)
{
    lost_in_callback = lost_page();
    handle(SIGBUS, jump_out);
    start();
    on_fence = touch_in_callback;
    sim("gpu_us 1000"); // so that the library's own thread reports
    for (int i = 0; i < 10; i++)
        EXPECT(guest_job_fence(&g, 1) && fences_wait());
    EXPECT(hits == 10);
    EXPECT(fences_all_once());
}

// The guest's memory can vanish under the library: that ends the context, and the host's handler is not bothered.
static void faults_inside_end_the_context(void)
{
    char *lost = lost_page();
    struct guest other;

    unsetenv("VIRGLDRM_CRASH_ON_PANIC");
    setenv("VIRGL_LOG_LEVEL", "silent", 1);
    handle(SIGBUS, jump_out);
    start();
    EXPECT(guest_open(&other, 2, 1));
    EXPECT(api.virgl_renderer_submit_cmd(lost, 1, 4) == -EIO);
    EXPECT(!guest_nop(&g));
    EXPECT(guest_nop(&other));
    EXPECT(hits == 0);
    fault_here(lost, SIGBUS, BUS_ADRERR);
}

// A handler that comes after init replaces the library's; if it passes on what is not its own, both get theirs.
static struct sigaction replaced;
static char *own_page;

static void mine_or_passed_on(int sig, siginfo_t *info, void *context)
{
    if (info->si_addr == own_page)
        jump_out(sig, info, context);
    replaced.sa_sigaction(sig, info, context);
}

static void late_handlers_can_pass_on(void)
{
    struct sigaction a = { .sa_sigaction = mine_or_passed_on, .sa_flags = SA_SIGINFO | SA_ONSTACK };

    unsetenv("VIRGLDRM_CRASH_ON_PANIC");
    setenv("VIRGL_LOG_LEVEL", "silent", 1);
    own_page = lost_page();
    start();
    EXPECT(sigaction(SIGBUS, &a, &replaced) == 0);
    fault_here(own_page, SIGBUS, BUS_ADRERR);
    EXPECT(api.virgl_renderer_submit_cmd(lost_page(), 1, 4) == -EIO);
    fault_here(own_page, SIGBUS, BUS_ADRERR);
    EXPECT(hits == 2);
}

int main(int argc, char **argv)
{
    static const struct host_case cases[] = {
        { "faults in the host's code reach its handlers, which may jump out", faults_go_to_the_host },
        { "so do faults in its fence callbacks", faults_in_callbacks_go_to_the_host },
        { "faults on guest memory inside the library end one context", faults_inside_end_the_context },
        { "a handler installed after init may pass on what is not its own", late_handlers_can_pass_on },
    };

    return RUN_CASES(argc, argv, cases);
}
