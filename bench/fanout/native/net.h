/* What client and limit share: the clock, loopback sockets, and the frames of a WebSocket. */
#ifndef NET_H
#define NET_H
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* The client's key never changes, and so neither does the answer to it (RFC 6455, 1.3). */
#define WS_KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define WS_ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

enum { WS_TEXT = 1, WS_CLOSE = 8, WS_PING = 9, WS_PONG = 10 };

_Noreturn static inline void die(const char *what) {
    perror(what);
    exit(1);
}

/* CLOCK_MONOTONIC in nanoseconds: the same in every process of the machine. */
static inline uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline struct sockaddr_in loopback(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static inline void send_at_once(int fd) {
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

/* A blocking connection to a port of this machine. */
static inline int dial(int port) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = loopback(port);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address)) die("connect");
    send_at_once(fd);
    return fd;
}

/* Where a frame's payload begins and how long it is; false as long as the frame has not come whole. */
struct frame {
    unsigned op;
    char *payload;
    uint64_t length, whole;
};

static inline int read_frame(char *data, uint64_t have, struct frame *frame) {
    unsigned char *head = (unsigned char *)data;
    if (have < 2) return 0;
    uint64_t length = head[1] & 127u, at = 2;
    if (length >= 126) {
        uint64_t bytes = length == 126 ? 2 : 8;
        if (have < 2 + bytes) return 0;
        length = 0;
        for (; at < 2 + bytes; at++) length = length << 8 | head[at];
    }
    if (head[1] & 128u) at += 4; /* masked, by ourselves: with zeros, so it reads as it is */
    if (have < at + length) return 0;
    *frame = (struct frame){head[0] & 15u, data + at, length, at + length};
    return 1;
}

#endif
