/*
 * Thousands of subscribers of the graphql-transport-ws protocol in one process, every delivery timed.
 *
 * usage: client PORT PATH COUNT SPECS CONTROL_PORT [raw]
 *        client PORT PATH COUNT SPECS REQUESTS CALLERS
 *
 * SPECS has a line for each subscriber (with fewer lines they are taken in turn): the payload of its
 * connection_init, a tab, the payload of its subscribe, where @AFTER@ stands for null or the last cursor that
 * it has seen. `raw` is a socket that sends events unasked. The control port is the publisher's: a line
 * "K STAMP" has it publish K events whose content begins with t=STAMP, nanoseconds of CLOCK_MONOTONIC.
 *
 * In the second form REQUESTS has a line for each subscriber, too: a bearer token, a tab, and the body of a
 * POST that causes one event for this subscriber alone, with @STAMP@ in it. CALLERS connections send them.
 *
 * When all are subscribed a line of JSON says so. Then a line of standard input is a command, and a line of
 * JSON its answer:
 *   sat K INFLIGHT SECONDS   publishes K events whenever fewer than INFLIGHT times K are under way
 *   paced RATE K SECONDS     publishes K events RATE times a second
 *   cut EVENTS SECONDS       resets every socket, publishes EVENTS, and has all come back with their cursors
 *   replies SECONDS          every caller sends one request after the other
 * The process ends with its standard input, and with an error as soon as a socket ends unasked.
 */
#define _GNU_SOURCE
#include "client.h"
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#define DRAIN (30 * SECOND) /* what is still under way at the end of a run is waited for that long */
#define OPENING 64          /* handshakes at a time, except after a cut */

struct subscriber *subscribers;
struct caller *callers;
unsigned count, calling; /* subscribers, callers */
unsigned ready, again;   /* subscriptions that were sent; attempts after a cut that were turned away */
int poller, port, raw;
int recovering, measuring, calls_on;
const char *path;
uint64_t delivered, bytes, answers, cut_at;
struct histogram latency, acked, answered, after_answer;

static int control = -1, over;
static char command[256];
static size_t command_length;

_Noreturn void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

void watch(int fd, enum source source, unsigned index, int how, uint32_t events) {
    struct epoll_event event = {.events = events, .data.u64 = (uint64_t)source << 32 | index};
    if (epoll_ctl(poller, how, fd, &event)) die("epoll_ctl");
}

static double cpu_seconds(void) {
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) + (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

/* ---- the loop ---- */

static void take_commands(void) {
    ssize_t length = read(STDIN_FILENO, command + command_length, sizeof command - 1 - command_length);
    if (length <= 0) over = 1;
    else command_length += (size_t)length;
    command[command_length] = 0;
}

static void poll_once(int milliseconds) {
    struct epoll_event events[512];
    int found = epoll_wait(poller, events, 512, milliseconds);
    for (int k = 0; k < found; k++) {
        unsigned i = (unsigned)events[k].data.u64;
        char byte;
        switch ((enum source)(events[k].data.u64 >> 32)) {
        case SUBSCRIBER:
            if (subscribers[i].stage == CONNECTING) {
                if (events[k].events & (EPOLLERR | EPOLLHUP)) lost(i, "could not connect");
                else upgrade(i);
            } else {
                receive(i);
            }
            break;
        case CALLER: take_answer(&callers[i]); break;
        case COMMANDS: take_commands(); break;
        case PUBLISHER:
            if (recv(control, &byte, 1, 0) <= 0) fail("the publisher is gone");
        }
    }
}

static void wait_until(uint64_t end) {
    for (uint64_t now; (now = now_ns()) < end;) poll_once((int)((end - now) / 1000000));
}

static void publish(int events) {
    char line[64];
    int length = snprintf(line, sizeof line, "%d %llu\n", events, (unsigned long long)now_ns());
    if (send(control, line, (size_t)length, MSG_NOSIGNAL) != length) die("publish");
}

static void clear(void) {
    delivered = bytes = answers = 0;
    histogram_clear(&latency);
    histogram_clear(&acked);
    histogram_clear(&answered);
    histogram_clear(&after_answer);
}

static void drain(uint64_t wanted) {
    for (uint64_t end = now_ns() + DRAIN; delivered < wanted && now_ns() < end;) poll_once(20);
}

/* ---- answers ---- */

static void print_histogram(const char *name, const struct histogram *h) {
    printf("\"%s\":{\"count\":%llu,\"p50\":%llu,\"p90\":%llu,\"p99\":%llu,\"max\":%llu},", name,
           (unsigned long long)h->total, (unsigned long long)histogram_at(h, .5), (unsigned long long)histogram_at(h, .9),
           (unsigned long long)histogram_at(h, .99), (unsigned long long)h->max);
}

/* `seconds` is until all that was published had come; latencies are in microseconds. */
static void print_run(uint64_t began, uint64_t sent, double cpu) {
    printf("{");
    print_histogram("latency", &latency);
    printf("\"seconds\":%.6f,\"delivered\":%llu,\"lost\":%lld,\"bytes\":%llu,\"cpu\":%.4f}\n",
           (double)(now_ns() - began) / 1e9, (unsigned long long)delivered, (long long)(sent - delivered),
           (unsigned long long)bytes, cpu_seconds() - cpu);
}

static void saturate(int events, int inflight, double seconds) {
    uint64_t each = (uint64_t)events * count, sent = 0;
    clear();
    measuring = 1;
    double cpu = cpu_seconds();
    uint64_t began = now_ns(), end = began + (uint64_t)(seconds * 1e9);
    while (now_ns() < end) {
        while (sent < delivered + (uint64_t)inflight * each - (each - 1)) {
            publish(events);
            sent += each;
        }
        poll_once(20);
    }
    drain(sent);
    measuring = 0;
    print_run(began, sent, cpu);
}

static void pace(double rate, int events, double seconds) {
    uint64_t sent = 0, times = (uint64_t)(rate * seconds);
    clear();
    measuring = 1;
    double cpu = cpu_seconds();
    uint64_t began = now_ns();
    for (uint64_t k = 0; k < times; k++) {
        wait_until(began + (uint64_t)((double)k * 1e9 / rate));
        publish(events);
        sent += (uint64_t)events * count;
    }
    drain(sent);
    measuring = 0;
    print_run(began, sent, cpu);
}

static void cut(int events, double seconds) {
    struct linger hard = {1, 0};
    struct histogram *caught_up = &latency;
    unsigned missing = count, doubled = 0;
    uint64_t wanted = 0;
    clear();
    recovering = 1;
    again = ready = 0; /* nobody is subscribed */
    cut_at = now_ns();
    for (unsigned i = 0; i < count; i++) {
        struct subscriber *s = &subscribers[i];
        setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
        close(s->fd);
        /* Who did not catch up after the last cut has that to come, too. */
        s->owed = (uint64_t)events + (s->owed > s->got ? s->owed - s->got : 0);
        s->got = s->heard_at = 0;
        wanted += s->owed;
    }
    publish(events);
    for (unsigned i = 0; i < count; i++) begin(i);
    while (delivered < wanted && now_ns() < cut_at + (uint64_t)(seconds * 1e9)) poll_once(20);
    wait_until(now_ns() + SECOND); /* what comes twice would come now */
    for (unsigned i = 0; i < count; i++) {
        if (subscribers[i].got < subscribers[i].owed) continue;
        missing--;
        doubled += subscribers[i].got > subscribers[i].owed;
        histogram_add(caught_up, microseconds(cut_at, subscribers[i].heard_at));
    }
    recovering = 0;
    printf("{");
    print_histogram("acked", &acked);
    print_histogram("caught_up", caught_up);
    printf("\"missing\":%u,\"doubled\":%u,\"again\":%u}\n", missing, doubled, again);
}

static unsigned unheard(void) {
    unsigned found = 0;
    for (unsigned i = 0; i < count; i++) found += (unsigned)subscribers[i].asked;
    return found;
}

static unsigned unanswered(void) {
    unsigned found = 0;
    for (unsigned m = 0; m < calling; m++) found += (unsigned)callers[m].busy;
    return found;
}

static void reply(double seconds) {
    clear();
    measuring = calls_on = 1;
    double cpu = cpu_seconds();
    uint64_t began = now_ns();
    for (unsigned m = 0; m < calling; m++) call(&callers[m]);
    wait_until(began + (uint64_t)(seconds * 1e9));
    calls_on = 0;
    while (unanswered()) poll_once(20);
    double taken = (double)(now_ns() - began) / 1e9;
    for (uint64_t end = now_ns() + DRAIN / 3; unheard() && now_ns() < end;) poll_once(20);
    measuring = 0;
    printf("{");
    print_histogram("answered", &answered);
    print_histogram("after_answer", &after_answer);
    print_histogram("after_request", &latency);
    printf("\"seconds\":%.6f,\"replies\":%llu,\"lost\":%u,\"cpu\":%.4f}\n", taken,
           (unsigned long long)answers, unheard(), cpu_seconds() - cpu);
    for (unsigned i = 0; i < count; i++) subscribers[i].asked = 0;
}

static int obey(void) {
    double a, b, c;
    char *end = strchr(command, '\n');
    if (!end) return 0;
    *end = 0;
    if (sscanf(command, "sat %lf %lf %lf", &a, &b, &c) == 3) saturate((int)a, (int)b, c);
    else if (sscanf(command, "paced %lf %lf %lf", &a, &b, &c) == 3) pace(a, (int)b, c);
    else if (sscanf(command, "cut %lf %lf", &a, &b) == 2) cut((int)a, b);
    else if (sscanf(command, "replies %lf", &a) == 1) reply(a);
    else fail("no such command: %s", command);
    command_length -= (size_t)(end + 1 - command);
    memmove(command, end + 1, command_length + 1);
    return 1;
}

/* ---- the beginning ---- */

static char **read_lines(const char *name, unsigned *lines) {
    FILE *file = fopen(name, "r");
    char **found = NULL, *line = NULL;
    size_t room = 0;
    ssize_t length;
    if (!file) die(name);
    for (*lines = 0; (length = getline(&line, &room, file)) > 0; line = NULL, room = 0) {
        line[strcspn(line, "\n")] = 0;
        found = realloc(found, (*lines + 1) * sizeof *found);
        found[(*lines)++] = line;
    }
    fclose(file);
    return *lines ? found : (fail("%s is empty", name), NULL);
}

static void split(char *line, const char **first, const char **second) {
    char *tab = strchr(line, '\t');
    if (!tab) fail("a line has no tab: %s", line);
    *tab = 0;
    *first = line;
    *second = tab + 1;
}

static void read_subscribers(const char *specs, const char *requests) {
    unsigned lines;
    char **of_specs = read_lines(specs, &lines);
    subscribers = calloc(count, sizeof *subscribers);
    if (!subscribers) die("calloc");
    for (unsigned i = 0; i < count; i++)
        if (i < lines) split(of_specs[i], &subscribers[i].init, &subscribers[i].subscribe);
        else subscribers[i].init = subscribers[i % lines].init, subscribers[i].subscribe = subscribers[i % lines].subscribe;
    if (!requests) return;
    char **of_requests = read_lines(requests, &lines);
    if (lines != count) fail("%s has %u lines for %u subscribers", requests, lines, count);
    for (unsigned i = 0; i < count; i++) split(of_requests[i], &subscribers[i].token, &subscribers[i].body);
}

static void open_callers(void) {
    callers = calloc(calling, sizeof *callers);
    for (unsigned m = 0; m < calling; m++) {
        callers[m].fd = -1;
        callers[m].next = m;
    }
}

/* As long as events come. */
static void wait_until_quiet(uint64_t silence) {
    uint64_t heard = delivered, end = now_ns() + silence;
    while (now_ns() < end) {
        poll_once(20);
        if (delivered != heard) heard = delivered, end = now_ns() + silence;
    }
}

/* Nothing says that a subscription has begun: events do. Each must have one. */
static void warm_up(void) {
    for (int tries = 0; tries < 60; tries++) {
        unsigned silent = 0;
        publish(1);
        /* More events before these have come would only keep a slow server from catching up. */
        wait_until_quiet(SECOND);
        for (unsigned i = 0; i < count; i++) silent += !subscribers[i].got;
        if (!silent) return;
    }
    fail("not every subscriber hears what is published");
}

int main(int many, char **arguments) {
    if (many < 6) fail("usage: client PORT PATH COUNT SPECS (CONTROL_PORT [raw] | REQUESTS CALLERS)");
    int calls = many == 7 && strcmp(arguments[6], "raw");
    port = atoi(arguments[1]);
    path = arguments[2];
    count = (unsigned)atoi(arguments[3]);
    raw = many == 7 && !calls;
    read_subscribers(arguments[4], calls ? arguments[5] : NULL);
    poller = epoll_create1(0);
    setvbuf(stdout, NULL, _IOLBF, 0);
    uint64_t began = now_ns();
    for (unsigned i = 0; i < count; i++) {
        begin(i);
        while (i + 1 - ready > OPENING) poll_once(1000);
    }
    while (ready < count) poll_once(1000);
    if (calls) {
        calling = (unsigned)atoi(arguments[6]);
        open_callers();
        wait_until(now_ns() + SECOND);
    } else {
        control = dial(atoi(arguments[5]));
        watch(control, PUBLISHER, 0, EPOLL_CTL_ADD, EPOLLIN);
        warm_up();
    }
    printf("{\"subscribers\":%u,\"frame_bytes\":%llu,\"seconds\":%.3f}\n", count,
           (unsigned long long)(delivered ? bytes / delivered : 0), (double)(now_ns() - began) / 1e9);
    watch(STDIN_FILENO, COMMANDS, 0, EPOLL_CTL_ADD, EPOLLIN);
    while (!over) {
        poll_once(-1);
        while (obey()) {}
    }
    return 0;
}
