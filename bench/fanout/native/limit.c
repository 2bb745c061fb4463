/*
 * The limit: what one process can send on this machine at all.
 *
 * A server of the graphql-transport-ws protocol that knows one subscription. Every event is one frame made
 * once, given each subscriber's operation id, and one send() to each socket for all events of a tick. It
 * parses nothing, checks nobody, and waits for a slow socket: less a real server cannot do.
 *
 * usage: limit PORT CONTROL_PORT
 * The control port takes lines "K STAMP": publish K events that bear this stamp.
 */
#define _GNU_SOURCE
#include "net.h"
#include <sys/epoll.h>

#define SOCKETS 70000
#define ID 36 /* characters of an operation's id, a UUID */
#define ID_AT 7 /* behind {"id":" */

enum kind { NONE, DOOR, CONTROL_DOOR, CONTROL, GREETED, GREETING };

static enum kind kinds[SOCKETS];
static char ids[SOCKETS][ID];
static int subscribers[SOCKETS], subscribed, poller;
static uint64_t sequence;

static void watch(int fd, enum kind kind) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (fd >= SOCKETS || epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event)) die("epoll_ctl");
    kinds[fd] = kind;
}

static void listen_at(int port, enum kind kind) {
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in address = loopback(port);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 4096)) die("listen");
    watch(fd, kind);
}

static void send_all(int fd, const char *data, size_t length) {
    while (length > 0) {
        ssize_t sent = send(fd, data, length, MSG_NOSIGNAL);
        if (sent < 0) return; /* gone: the next read says so */
        data += sent;
        length -= (size_t)sent;
    }
}

static size_t write_frame(char *to, const char *payload, size_t length) {
    size_t head = 2;
    to[0] = (char)(0x80 | WS_TEXT);
    if (length < 126) {
        to[1] = (char)length;
    } else {
        to[1] = 126, to[2] = (char)(length >> 8), to[3] = (char)length;
        head = 4;
    }
    memcpy(to + head, payload, length);
    return head + length;
}

static size_t write_event(char *to, const char *stamp) {
    char payload[1024];
    int length = snprintf(
        payload, sizeof payload,
        "{\"id\":\"%0*d\",\"type\":\"next\",\"payload\":{\"data\":{\"messageAdded\":{\"cursor\":\"%043llu\","
        "\"message\":{\"id\":\"msg_%026llu\",\"content\":\"t=%s The payment failed twice, please call back.\","
        "\"author\":{\"name\":\"Ada Lovelace\"}}}}}}",
        ID, 0, (unsigned long long)sequence, (unsigned long long)sequence, stamp);
    sequence++;
    return write_frame(to, payload, (size_t)length);
}

static void publish(int events, const char *stamp) {
    static char tick[1 << 20];
    size_t length = 0, each = 0;
    for (int k = 0; k < events && length < sizeof tick - 1100; k++) length += each = write_event(tick + length, stamp);
    for (int i = 0; i < subscribed; i++) {
        int fd = subscribers[i];
        for (size_t at = 0; at < length; at += each) memcpy(tick + at + 4 + ID_AT, ids[fd], ID);
        send_all(fd, tick, length);
    }
}

static void take_orders(char *lines) {
    for (char *end; (end = strchr(lines, '\n')); lines = end + 1) {
        *end = 0;
        char *stamp = strchr(lines, ' ');
        if (stamp) publish(atoi(lines), stamp + 1);
    }
}

static void take_message(int fd, char *data, ssize_t length) {
    struct frame frame;
    char answer[128];
    while (read_frame(data, (uint64_t)length, &frame)) {
        if (memmem(frame.payload, frame.length, "connection_init", 15)) {
            const char *ack = "{\"type\":\"connection_ack\"}";
            send_all(fd, answer, write_frame(answer, ack, strlen(ack)));
        } else if (frame.op == WS_TEXT && frame.length > ID_AT + ID) {
            memcpy(ids[fd], frame.payload + ID_AT, ID);
            subscribers[subscribed++] = fd;
        }
        data += frame.whole;
        length -= (ssize_t)frame.whole;
    }
}

static void lose(int fd) {
    if (kinds[fd] == CONTROL) exit(0);
    for (int i = 0; i < subscribed; i++)
        if (subscribers[i] == fd) subscribers[i--] = subscribers[--subscribed];
    kinds[fd] = NONE;
    close(fd);
}

static void take(int fd) {
    char data[8192];
    if (kinds[fd] == DOOR || kinds[fd] == CONTROL_DOOR) {
        int guest = accept(fd, NULL, NULL);
        if (guest < 0) die("accept");
        send_at_once(guest);
        watch(guest, kinds[fd] == DOOR ? GREETING : CONTROL);
        return;
    }
    ssize_t length = recv(fd, data, sizeof data - 1, MSG_DONTWAIT);
    if (length <= 0) {
        lose(fd);
        return;
    }
    data[length] = 0;
    if (kinds[fd] == CONTROL) {
        take_orders(data);
    } else if (kinds[fd] == GREETED) {
        take_message(fd, data, length);
    } else {
        const char *hello = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                            "Sec-WebSocket-Accept: " WS_ACCEPT "\r\n"
                            "Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n";
        send_all(fd, hello, strlen(hello));
        kinds[fd] = GREETED;
    }
}

int main(int count, char **arguments) {
    if (count != 3) {
        fprintf(stderr, "usage: limit PORT CONTROL_PORT\n");
        return 2;
    }
    poller = epoll_create1(0);
    listen_at(atoi(arguments[1]), DOOR);
    listen_at(atoi(arguments[2]), CONTROL_DOOR);
    struct epoll_event events[256];
    for (;;) {
        int ready = epoll_wait(poller, events, 256, -1);
        for (int k = 0; k < ready; k++) take(events[k].data.fd);
    }
}
