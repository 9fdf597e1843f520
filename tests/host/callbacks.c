// callbacks LIB: fence callbacks call back into the library, are slow, and destroy contexts, and every fence still comes once.
// Run it with DRMSIM_PRIORITIES=12 in the environment: the simulated GPU then has that many rings.
#define _GNU_SOURCE
#include "host.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RINGS = 12, CONTEXTS = 4, STORM_SECONDS = 4 };

static void start(const char *gpu_time)
{
    lib_load();
    EXPECT(lib_init() == 0);
    sim(gpu_time);
}

// ---- calls from inside a callback

static struct guest first, second;
static int rounds_left;

static void submit_again(uint32_t ctx, uint32_t ring, uint64_t id)
{
    (void)ctx, (void)id;
    if (ring == 1 && __atomic_sub_fetch(&rounds_left, 1, __ATOMIC_ACQ_REL) >= 0) {
        EXPECT(guest_job_fence(&first, 1)); // ring 1 keeps itself going
        EXPECT(guest_fence(&first, 0)); // reported inside this call: a callback in a callback
        if (rounds_left == 50) {
            for (int i = 0; i < 5; i++)
                EXPECT(guest_job_fence(&second, 2));
            api.virgl_renderer_context_destroy(second.ctx); // reported before it returns
            EXPECT(fences_seen() + 2 >= fences_made());
        }
    }
}

static void calls_from_callbacks(void)
{
    start("gpu_us 200");
    EXPECT(guest_open(&first, 1, 2) && guest_open(&second, 2, 2));
    rounds_left = 200;
    on_fence = submit_again;
    EXPECT(guest_job_fence(&first, 1));
    for (int ms = 0; ms < 5000 && __atomic_load_n(&rounds_left, __ATOMIC_ACQUIRE) > 0; ms++)
        pause_ms(1);
    EXPECT(rounds_left <= 0);
    EXPECT(fences_wait() && fences_all_once());
    EXPECT(!guest_nop(&second));
}

static void destroy_itself(uint32_t ctx, uint32_t ring, uint64_t id)
{
    (void)ring, (void)id;
    api.virgl_renderer_context_destroy(ctx);
}

static void destroys_its_own_context(void)
{
    start("gpu_us 300");
    for (int i = 0; i < 100; i++) {
        EXPECT(guest_open(&first, 1, 2));
        on_fence = destroy_itself; // from the first on, and from inside the reports that this brings
        for (int n = 0; n < 10; n++)
            if (!guest_job_fence(&first, (uint32_t)n % 2 + 1))
                break;
        EXPECT(fences_wait());
        on_fence = NULL;
        guest_close(&first);
    }
    EXPECT(fences_made() >= 100 && fences_all_once());
}

static void clean_up_inside(uint32_t ctx, uint32_t ring, uint64_t id)
{
    (void)ctx, (void)ring, (void)id;
    on_fence = NULL;
    api.virgl_renderer_cleanup(NULL);
}

static void cleans_up(void)
{
    start("gpu_us 300");
    for (int i = 0; i < 30; i++) {
        EXPECT(lib_init() == 0);
        EXPECT(guest_open(&first, 1, 2));
        sim("hang"); // the response memory goes with the cleanup, so no job may come after it
        for (int n = 0; n < 10; n++)
            EXPECT(guest_job_fence(&first, 1));
        EXPECT(guest_job_fence(&first, 2));
        on_fence = clean_up_inside;
        sim("unhang");
        EXPECT(fences_wait());
        while (on_fence || guest_nop(&first))
            pause_ms(1);
    }
    EXPECT(fences_all_once());
}

// The call that made the callback goes on in a library that is gone.
static void cleans_up_inside_calls(void)
{
    start("gpu_us 0");
    for (int i = 0; i < 100; i++) {
        EXPECT(lib_init() == 0);
        EXPECT(guest_open(&first, 1, 1));
        if (i % 5 > 1) {
            sim("hang");
            EXPECT(guest_job_fence(&first, 1) && guest_job_fence(&first, 1));
        }
        on_fence = clean_up_inside;
        switch (i % 5) {
        case 0: guest_fence(&first, 0); break;
        case 1: guest_job_fence(&first, 1); break;
        case 2: api.virgl_renderer_context_destroy(1); break;
        case 3: api.virgl_renderer_reset(); break;
        case 4: api.virgl_renderer_cleanup(NULL); break;
        }
        EXPECT(!on_fence);
        sim("unhang");
    }
    EXPECT(lib_init() == 0);
}

static void begin_anew_inside(uint32_t ctx, uint32_t ring, uint64_t id)
{
    clean_up_inside(ctx, ring, id);
    EXPECT(lib_init() == 0);
    EXPECT(guest_open(&second, 2, 1));
}

// The cleanup that made the callback must leave the new life alone.
static void begins_anew_inside_cleanup(void)
{
    start("gpu_us 0");
    for (int i = 0; i < 20; i++) {
        EXPECT(lib_init() == 0);
        EXPECT(guest_open(&first, 1, 1));
        sim("hang");
        EXPECT(guest_job_fence(&first, 1));
        on_fence = begin_anew_inside;
        api.virgl_renderer_cleanup(NULL);
        EXPECT(!on_fence);
        sim("unhang");
        EXPECT(guest_job_fence(&second, 1));
        EXPECT(fences_wait());
        api.virgl_renderer_cleanup(NULL);
    }
    EXPECT(fences_all_once());
}

// ---- a slow callback

static uint64_t fast_done;
static volatile bool slow_runs;

static void slow_for_one(uint32_t ctx, uint32_t ring, uint64_t id)
{
    (void)ring, (void)id;
    if (ctx == 1) {
        slow_runs = true;
        pause_ms(300);
        slow_runs = false;
    } else {
        __atomic_store_n(&fast_done, now_ns(), __ATOMIC_RELEASE);
    }
}

static void slow_delays_nobody_else(void)
{
    uint64_t worst = 0;

    start("gpu_us 500");
    EXPECT(guest_open(&first, 1, 1) && guest_open(&second, 2, 1));
    on_fence = slow_for_one;
    for (int i = 0; i < 5; i++) {
        sim("hang"); // so that a thread of the library reports the fence, and not the call that makes it
        EXPECT(guest_job_fence(&first, 1));
        sim("unhang");
        for (int ms = 0; ms < 1000 && !slow_runs; ms++)
            pause_ms(1);
        for (int n = 0; n < 5; n++) {
            uint64_t begin = now_ns(), end = 0;

            fast_done = 0;
            EXPECT(guest_job_fence(&second, 1));
            while (!(end = __atomic_load_n(&fast_done, __ATOMIC_ACQUIRE)) && now_ns() < begin + 1000000000u)
                usleep(100);
            EXPECT(end);
            worst = end - begin > worst ? end - begin : worst;
        }
        EXPECT(slow_runs); // all five came first
        EXPECT(fences_wait());
    }
    note("the slowest of 25 fences of the other context took %u us, 500 of them on the GPU", (unsigned)(worst / 1000));
    EXPECT(fences_all_once());
}

// ---- the storm

static struct guest storm[CONTEXTS];
static bool gone[CONTEXTS]; // atomic: a callback has destroyed it
static unsigned destroyed;  // atomic

static void destroy_now_and_then(uint32_t ctx, uint32_t ring, uint64_t id)
{
    uint32_t victim = ring % 3 ? ctx : ctx % CONTEXTS + 1; // itself, or its neighbour

    if (id * 2654435761u % 997 > 4)
        return;
    api.virgl_renderer_context_destroy(victim);
    __atomic_store_n(&gone[victim - 1], true, __ATOMIC_RELEASE);
    __atomic_add_fetch(&destroyed, 1, __ATOMIC_RELAXED);
}

static void storm_of_destroys(void)
{
    uint64_t end;
    unsigned turn = 0;

    start("gpu_us 50");
    for (uint32_t i = 0; i < CONTEXTS; i++)
        if (!EXPECT(guest_open(&storm[i], i + 1, RINGS)))
            return;
    on_fence = destroy_now_and_then;
    for (end = now_ns() + STORM_SECONDS * 1000000000ull; now_ns() < end && fences_made() < MAX_FENCES / 2; turn++) {
        uint32_t i = turn % CONTEXTS;

        if (__atomic_load_n(&gone[i], __ATOMIC_ACQUIRE)) { // the same id again
            guest_close(&storm[i]);
            __atomic_store_n(&gone[i], false, __ATOMIC_RELEASE);
            if (!guest_open(&storm[i], i + 1, RINGS))
                gone[i] = true; // destroyed meanwhile
            continue;
        }
        guest_job_fence(&storm[i], turn / CONTEXTS % RINGS + 1); // fails when a callback was faster
        while (fences_made() > fences_seen() + 300)
            usleep(200);
    }
    EXPECT(fences_wait());
    on_fence = NULL;
    api.virgl_renderer_cleanup(NULL);
    note("%u fences on %d rings, %u contexts destroyed by callbacks, %d threads", fences_made(), CONTEXTS * RINGS, destroyed,
         thread_count());
    EXPECT(fences_made() > 5000 && destroyed > 20);
    EXPECT(fences_all_once());
    EXPECT(thread_count() <= 14);
}

int main(int argc, char **argv)
{
    static const struct host_case cases[] = {
        { "callbacks submit, create fences, and destroy another context", calls_from_callbacks },
        { "a callback destroys its own context", destroys_its_own_context },
        { "a callback cleans up", cleans_up },
        { "a callback cleans up inside the call that made it", cleans_up_inside_calls },
        { "a callback begins anew inside cleanup", begins_anew_inside_cleanup },
        { "a slow callback delays its own context only", slow_delays_nobody_else },
        { "four contexts with twelve rings each, destroyed by their callbacks", storm_of_destroys },
    };

    return RUN_CASES(argc, argv, cases);
}
