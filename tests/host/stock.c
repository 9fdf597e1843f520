// stock.c - what build/defer.lds and --wrap provide, for a library built without them: Go then starts when it is loaded.
#define _GNU_SOURCE
#include <pthread.h>

int __real_pthread_getattr_np(pthread_t thread, pthread_attr_t *attr);
int __real_pthread_getattr_np(pthread_t thread, pthread_attr_t *attr) { return pthread_getattr_np(thread, attr); }

static void started_already(int argc, char **argv) { (void)argc, (void)argv; }

extern void (*const __go_rt0_slot[])(int, char **);
void (*const __go_rt0_slot[])(int, char **) = { started_already };
