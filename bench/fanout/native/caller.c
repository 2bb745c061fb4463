/* Callers: requests over HTTP, each the cause of an event that one subscriber waits for. */
#define _GNU_SOURCE
#include "client.h"
#include <sys/epoll.h>

void settle(struct subscriber *s) {
    /* Both the answer and the event have come, in whichever order. */
    if (!s->answered_at || !s->heard_at) return;
    if (measuring) histogram_add(&after_answer, microseconds(s->answered_at, s->heard_at));
    s->asked = 0;
    struct caller *c = &callers[(s - subscribers) % calling];
    if (calls_on && !c->busy) call(c);
}

/* Caller m has every subscriber whose number leaves m when divided by the number of callers, in turn. */
static void step(struct caller *c) {
    c->next = c->next + calling < count ? c->next + calling : c->next % calling;
}

void call(struct caller *c) {
    char body[REQUEST], request[REQUEST + 512];
    if (c->fd < 0) {
        c->fd = dial(port);
        watch(c->fd, CALLER, (unsigned)(c - callers), EPOLL_CTL_ADD, EPOLLIN);
    }
    for (unsigned tried = 0; tried < count && subscribers[c->next].asked; tried += calling) step(c);
    struct subscriber *s = &subscribers[c->next];
    if (s->asked) return; /* all that are its own wait for their event: the first to have it goes on */
    c->about = c->next;
    step(c);
    c->sent_at = now_ns();
    const char *hole = strstr(s->body, "@STAMP@");
    if (!hole) fail("a request has no @STAMP@");
    int size = snprintf(body, sizeof body, "%.*s%llu%s", (int)(hole - s->body), s->body,
                        (unsigned long long)c->sent_at, hole + 7);
    int length = snprintf(request, sizeof request,
                          "POST /graphql HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAuthorization: Bearer %s\r\n"
                          "Content-Type: application/json\r\nAccept: application/json\r\n"
                          "Content-Length: %d\r\n\r\n%s", port, s->token, size, body);
    s->asked = 1;
    s->answered_at = s->heard_at = 0;
    c->busy = 1;
    c->kept = 0;
    if (send(c->fd, request, (size_t)length, MSG_NOSIGNAL) != length) die("send");
}

void take_answer(struct caller *c) {
    ssize_t length = recv(c->fd, c->answer + c->kept, sizeof c->answer - 1 - c->kept, 0);
    if (length <= 0) {
        if (c->busy) fail("the server closed a caller's connection");
        close(c->fd); /* it was idle for too long; the next call has another */
        c->fd = -1;
        return;
    }
    uint64_t at = now_ns();
    c->kept += (size_t)length;
    c->answer[c->kept] = 0;
    char *body = strstr(c->answer, "\r\n\r\n"), *size = strcasestr(c->answer, "content-length:");
    if (!body || !size || strlen(body + 4) < (size_t)atol(size + 15)) return;
    if (!strstr(body, "\"data\":{") || strstr(body, "\"errors\"")) fail("a request was refused: %s", c->answer);
    struct subscriber *s = &subscribers[c->about];
    s->answered_at = at;
    answers++;
    if (measuring) histogram_add(&answered, microseconds(c->sent_at, at));
    settle(s);
    c->busy = 0;
    if (calls_on) call(c);
}
