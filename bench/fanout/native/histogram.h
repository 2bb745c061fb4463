/* Latencies in microseconds, in buckets of at most 1/64 of their value: memory does not grow with what is counted. */
#ifndef HISTOGRAM_H
#define HISTOGRAM_H
#include <stdint.h>
#include <string.h>

#define HISTOGRAM_BUCKETS (64 * 60)

struct histogram {
    uint64_t counts[HISTOGRAM_BUCKETS];
    uint64_t total, max;
};

/* Values below 128 have a bucket each; above, the seven highest bits say which. */
static inline unsigned histogram_bucket(uint64_t value) {
    if (value < 128) return (unsigned)value;
    unsigned shift = 57 - (unsigned)__builtin_clzll(value);
    return shift * 64 + (unsigned)(value >> shift);
}

static inline uint64_t histogram_value(unsigned bucket) {
    if (bucket < 128) return bucket;
    unsigned shift = bucket / 64 - 1;
    return (uint64_t)(bucket % 64 + 64) << shift;
}

static inline void histogram_clear(struct histogram *h) { memset(h, 0, sizeof *h); }

static inline void histogram_add(struct histogram *h, uint64_t value) {
    h->counts[histogram_bucket(value)]++;
    h->total++;
    if (value > h->max) h->max = value;
}

/* The value that the given share of all lies at or below; 0 where there is none. */
static inline uint64_t histogram_at(const struct histogram *h, double share) {
    uint64_t wanted = (uint64_t)(share * (double)h->total), seen = 0;
    for (unsigned bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
        seen += h->counts[bucket];
        if (seen > wanted) return histogram_value(bucket);
    }
    return h->max;
}

#endif
