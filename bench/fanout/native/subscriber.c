/* Subscribers: their way to a subscription, and what comes then. */
#define _GNU_SOURCE
#include "client.h"
#include <errno.h>
#include <sys/epoll.h>

#define SCRATCH (1 << 20)

static void say(struct subscriber *s, int op, const char *text, size_t length) {
    unsigned char frame[REQUEST + 8];
    size_t at = 0;
    if (length > REQUEST) fail("a message of %zu bytes is too long", length);
    frame[at++] = (unsigned char)(0x80 | op);
    if (length < 126) {
        frame[at++] = (unsigned char)(0x80 | length);
    } else {
        frame[at++] = 0x80 | 126, frame[at++] = (unsigned char)(length >> 8), frame[at++] = (unsigned char)length;
    }
    memset(frame + at, 0, 4); /* the mask: zeros change nothing */
    memcpy(frame + at + 4, text, length);
    if (send(s->fd, frame, at + 4 + length, MSG_NOSIGNAL) < 0 && !recovering) die("send");
}

void begin(unsigned i) {
    struct subscriber *s = &subscribers[i];
    struct sockaddr_in address = loopback(port);
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (s->fd < 0) die("socket");
    send_at_once(s->fd);
    if (connect(s->fd, (struct sockaddr *)&address, sizeof address) && errno != EINPROGRESS) die("connect");
    s->stage = CONNECTING;
    s->kept = 0;
    watch(s->fd, SUBSCRIBER, i, EPOLL_CTL_ADD, EPOLLOUT);
}

void upgrade(unsigned i) {
    struct subscriber *s = &subscribers[i];
    char request[512];
    int length = snprintf(request, sizeof request,
                          "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                          "Sec-WebSocket-Key: " WS_KEY "\r\nSec-WebSocket-Version: 13\r\n%s\r\n",
                          path, port, raw ? "" : "Sec-WebSocket-Protocol: graphql-transport-ws\r\n");
    s->stage = UPGRADING;
    watch(s->fd, SUBSCRIBER, i, EPOLL_CTL_MOD, EPOLLIN);
    if (send(s->fd, request, (size_t)length, MSG_NOSIGNAL) < 0 && !recovering) die("send");
}

static void subscribe(unsigned i) {
    struct subscriber *s = &subscribers[i];
    char message[REQUEST], after[CURSOR + 2] = "null";
    const char *hole = strstr(s->subscribe, "@AFTER@");
    int before = hole ? (int)(hole - s->subscribe) : (int)strlen(s->subscribe);
    if (*s->cursor) snprintf(after, sizeof after, "\"%s\"", s->cursor);
    /* Ids as a browser's client makes them: a UUID for every operation. */
    int length = snprintf(message, sizeof message,
                          "{\"id\":\"%08x-5a5a-4b4b-8c8c-%012x\",\"type\":\"subscribe\",\"payload\":%.*s%s%s}",
                          i * 2654435761u, i, before, s->subscribe, hole ? after : "", hole ? hole + 7 : "");
    say(s, WS_TEXT, message, (size_t)length);
    s->stage = SUBSCRIBED;
    ready++;
    if (recovering) histogram_add(&acked, microseconds(cut_at, now_ns()));
}

void lost(unsigned i, const char *why) {
    struct subscriber *s = &subscribers[i];
    if (!recovering || s->stage == SUBSCRIBED) fail("subscriber %u: %s", i, why);
    if (!again) fprintf(stderr, "subscriber %u was the first to be turned away: %s\n", i, why);
    close(s->fd); /* in the rush: at once again */
    again++;
    begin(i);
}

/* Where a text stands is the same in nearly all frames: looked for only where it is not found again. */
static char *find(const struct frame *frame, const char *text, size_t *hint) {
    size_t length = strlen(text);
    if (*hint + length <= frame->length && !memcmp(frame->payload + *hint, text, length))
        return frame->payload + *hint + length;
    char *found = memmem(frame->payload, frame->length, text, length);
    if (!found) return NULL;
    *hint = (size_t)(found - frame->payload);
    return found + length;
}

static void take_event(struct subscriber *s, const struct frame *frame, uint64_t at) {
    static size_t hint;
    char *digits = find(frame, "\"t=", &hint);
    if (!digits) {
        if (memmem(frame->payload, frame->length, "\"type\":\"ping\"", 13)) say(s, WS_TEXT, "{\"type\":\"pong\"}", 15);
        else if (memmem(frame->payload, frame->length, "\"error", 6) || memmem(frame->payload, frame->length, "\"complete\"", 10))
            fail("unexpected: %.*s", (int)frame->length, frame->payload);
        return;
    }
    uint64_t stamp = 0;
    while (*digits >= '0' && *digits <= '9') stamp = stamp * 10 + (uint64_t)(*digits++ - '0');
    delivered++;
    bytes += frame->length;
    s->got++;
    s->heard_at = at;
    if (measuring) histogram_add(&latency, microseconds(stamp, at));
    if (s->asked) settle(s);
}

static void take_frame(unsigned i, const struct frame *frame, uint64_t at) {
    struct subscriber *s = &subscribers[i];
    if (frame->op == WS_PING) {
        say(s, WS_PONG, frame->payload, frame->length);
    } else if (frame->op == WS_CLOSE) {
        char why[128];
        snprintf(why, sizeof why, "%.*s", frame->length > 2 ? (int)frame->length - 2 : 0, frame->payload + 2);
        lost(i, why);
    } else if (s->stage == SUBSCRIBED) {
        take_event(s, frame, at);
    } else if (memmem(frame->payload, frame->length, "connection_ack", 14)) {
        subscribe(i);
    }
}

static void remember_cursor(struct subscriber *s, const struct frame *last) {
    static size_t hint;
    char *from = find(last, "\"cursor\":\"", &hint);
    char *end = from ? memchr(from, '"', (size_t)(last->payload + last->length - from)) : NULL;
    if (end && end - from < CURSOR) {
        memcpy(s->cursor, from, (size_t)(end - from));
        s->cursor[end - from] = 0;
    }
}

static size_t take_upgrade(unsigned i, char *data, size_t length) {
    struct subscriber *s = &subscribers[i];
    char *end = memmem(data, length, "\r\n\r\n", 4);
    if (!end) return 0;
    if (strncmp(data + 9, "101", 3)) fail("no WebSocket: %.*s", (int)length, data);
    if (raw) {
        s->stage = SUBSCRIBED;
        ready++;
    } else {
        char message[REQUEST];
        int size = snprintf(message, sizeof message, "{\"type\":\"connection_init\",\"payload\":%s}", s->init);
        s->stage = INITIALISING;
        say(s, WS_TEXT, message, (size_t)size);
    }
    return (size_t)(end + 4 - data);
}

static void keep(struct subscriber *s, const char *rest, size_t length) {
    s->kept = length;
    if (!length) return;
    s->partial = realloc(s->partial, length);
    memcpy(s->partial, rest, length);
}

void receive(unsigned i) {
    static char scratch[SCRATCH]; /* one for all: it stays in the cache */
    struct subscriber *s = &subscribers[i];
    if (s->kept) memcpy(scratch, s->partial, s->kept);
    ssize_t length = recv(s->fd, scratch + s->kept, SCRATCH - s->kept, 0);
    if (length <= 0) {
        if (length == 0 || (errno != EAGAIN && errno != EINTR)) lost(i, length ? strerror(errno) : "closed");
        return;
    }
    uint64_t at = now_ns();
    int fd = s->fd;
    size_t have = s->kept + (size_t)length, read = 0;
    struct frame frame, last = {0};
    if (s->stage == UPGRADING) read = take_upgrade(i, scratch, have);
    while (s->stage != UPGRADING && read_frame(scratch + read, have - read, &frame)) {
        take_frame(i, &frame, at);
        if (s->fd != fd || s->stage == CONNECTING) return; /* it has begun anew */
        if (s->stage == SUBSCRIBED) last = frame;
        read += frame.whole;
    }
    if (last.payload && !raw) remember_cursor(s, &last);
    keep(s, scratch + read, have - read);
}
