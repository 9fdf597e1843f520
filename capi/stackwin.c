// Answers Go's question "where is this thread's stack?" once per thread instead of at every call.
//
// Go asks through pthread_getattr_np whenever it is entered on a stack it does not know, which is every time for a VMM that
// runs coroutines. On the main thread libc then reads /proc/self/maps and calls prlimit64: 45 us per call, and fatal in a
// seccomp jail. The link option --wrap=pthread_getattr_np sends the calls made inside this library here.
#include <pthread.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

extern void *__libc_stack_end; // where libc found the main thread's stack at start
int __real_pthread_getattr_np(pthread_t thread, pthread_attr_t *attr);
int __wrap_pthread_getattr_np(pthread_t thread, pthread_attr_t *attr);

// The main thread's stack grows on demand. This much of it is certainly there; below it Go falls back to an estimate.
static const size_t main_window = (size_t)1 << 20;

static __thread char *window;
static __thread size_t window_size;

static int find_window(void)
{
    if (getpid() == (pid_t)syscall(SYS_gettid)) {
        window_size = main_window;
        window = (char *)(((uintptr_t)__libc_stack_end | 4095) + 1) - main_window;
        return 0;
    }
    pthread_attr_t attr;
    void *base;
    int rc = __real_pthread_getattr_np(pthread_self(), &attr);
    if (rc)
        return rc;
    rc = pthread_attr_getstack(&attr, &base, &window_size);
    window = base;
    pthread_attr_destroy(&attr);
    return rc;
}

int __wrap_pthread_getattr_np(pthread_t thread, pthread_attr_t *attr)
{
    if (!pthread_equal(thread, pthread_self()))
        return __real_pthread_getattr_np(thread, attr);
    int rc = window ? 0 : find_window();
    return rc ? rc : pthread_attr_setstack(attr, window, window_size); // EINVAL for a tiny stack: Go estimates then, too
}
