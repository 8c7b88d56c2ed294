#pragma once
#include <stddef.h>
#if __has_include(<malloc.h>)
#include <malloc.h>
#endif

// At most so many arenas, where glibc would make eight for each processor: each keeps what was freed in it.
static inline void CMalloc_limit_arenas(int most) {
#if defined(M_ARENA_MAX)
    mallopt(M_ARENA_MAX, most);
#endif
}

// Blocks of up to `largest` bytes are taken from memory that was freed before, of which up to `kept` bytes stay with the
// process. glibc's own rule gives each block of 128 KiB and more back to the kernel, which clears its pages for the next.
// Other C libraries are left as they are.
static inline void CMalloc_reuse(size_t largest, size_t kept) {
#if defined(M_MMAP_THRESHOLD) && defined(M_TRIM_THRESHOLD)
    mallopt(M_MMAP_THRESHOLD, (int)largest);
    mallopt(M_TRIM_THRESHOLD, (int)kept);
#endif
}

// Gives what was freed, of all arenas, back to the kernel.
static inline void CMalloc_trim(void) {
#if defined(__GLIBC__)
    malloc_trim(0);
#endif
}
