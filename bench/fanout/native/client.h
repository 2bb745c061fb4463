/* What the parts of the client share: its subscribers, its callers, and what is counted. */
#ifndef CLIENT_H
#define CLIENT_H
#include "histogram.h"
#include "net.h"
#include <stddef.h>

#define SECOND 1000000000ull
#define CURSOR 64
#define REQUEST 8192

enum stage { CLOSED, CONNECTING, UPGRADING, INITIALISING, SUBSCRIBED };
enum source { SUBSCRIBER, CALLER, COMMANDS, PUBLISHER };

struct subscriber {
    int fd;
    enum stage stage;
    char *partial; /* the beginning of a frame whose rest has not come */
    size_t kept;
    uint64_t got, owed, heard_at; /* events: since the last cut, and that there have to be then */
    char cursor[CURSOR];
    const char *init, *subscribe;
    const char *token, *body; /* what causes its events, in the second form */
    uint64_t answered_at;
    int asked;
};

struct caller {
    int fd;
    unsigned next, about;
    int busy;
    uint64_t sent_at;
    size_t kept;
    char answer[REQUEST];
};

extern struct subscriber *subscribers;
extern struct caller *callers;
extern unsigned count, calling; /* subscribers, callers */
extern unsigned ready, again;   /* subscriptions that were sent; attempts after a cut that were turned away */
extern int poller, port, raw;
extern int recovering, measuring, calls_on;
extern const char *path;
extern uint64_t delivered, bytes, answers, cut_at;
extern struct histogram latency, acked, answered, after_answer;

_Noreturn void fail(const char *format, ...);
void watch(int fd, enum source source, unsigned index, int how, uint32_t events);

/* From one instant to a later one. */
static inline uint64_t microseconds(uint64_t from, uint64_t to) { return to > from ? (to - from) / 1000 : 0; }

/* subscriber.c: begins the way to a subscription; takes what comes; ends what went wrong. */
void begin(unsigned i);
void upgrade(unsigned i);
void receive(unsigned i);
void lost(unsigned i, const char *why);

/* caller.c: sends the next request; takes its answer; has the event of a request, the answer or both. */
void call(struct caller *c);
void take_answer(struct caller *c);
void settle(struct subscriber *s);

#endif
