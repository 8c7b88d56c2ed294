#pragma once
#include <stdint.h>
#include <stdlib.h>
#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>

// struct isal_zstream holds arrays of 64 KiB, which Swift cannot import: it uses no more than the functions below.

enum {
    // What the largest level needs, with tokens for one deflate block of 256 KiB and more.
    CISAL_levelBufferSize = ISAL_DEF_LVL3_REQ + ISAL_DEF_LVL3_TOKEN_SIZE * 64 * IGZIP_K,
};

struct CISAL_state {
    struct isal_zstream stream;
    uint8_t levelBuffer[CISAL_levelBufferSize];
};

// NULL when there is no memory. Freed with free().
static inline void *CISAL_new(void) {
    void *memory = NULL;
    // The head of the stream's tables wants a cache line of its own.
    return posix_memalign(&memory, 64, sizeof(struct CISAL_state)) == 0 ? memory : NULL;
}

// Raw deflate of `count` bytes at `input`, which follow the `history` bytes before `input`, ended by a sync flush.
// Gives the number of bytes written to `output`, or one of ISA-L's negative codes; STATELESS_OVERFLOW where `capacity` is
// too small.
static inline int64_t CISAL_deflate(
    void *memory, uint32_t level, const uint8_t *input, uint32_t history, uint32_t count, uint8_t *output, uint32_t capacity
) {
    struct CISAL_state *state = (struct CISAL_state *)memory;
    struct isal_zstream *stream = &state->stream;
    isal_deflate_init(stream);
    stream->level = level;
    stream->level_buf = state->levelBuffer;
    stream->level_buf_size = CISAL_levelBufferSize;
    stream->flush = SYNC_FLUSH;
    int status = COMP_OK;
    // ISA-L never writes through these; their types only lack the const.
    if (history > 0) status = isal_deflate_set_dict(stream, (uint8_t *)input - history, history);
    if (status != COMP_OK) return status;
    stream->next_in = (uint8_t *)input;
    stream->avail_in = count;
    stream->next_out = output;
    stream->avail_out = capacity;
    status = isal_deflate(stream);
    if (status != COMP_OK) return status;
    // A full output may hide that more was to come.
    if (stream->avail_in != 0 || stream->avail_out == 0) return STATELESS_OVERFLOW;
    return (int64_t)stream->total_out;
}

static inline uint32_t CISAL_crc32(uint32_t before, const uint8_t *input, uint64_t count) {
    return crc32_gzip_refl(before, input, count);
}
