/* An HTTP load client: keep-alive connections, one request in flight on each, ready requests from a file.
 *
 *   httpload HOST PORT FILE CONNECTIONS SECONDS MAX_REQUESTS
 *
 * FILE: each request is a line with its length in bytes, then the bytes. They are used in turn, over and over. The run
 * ends after SECONDS, or once MAX_REQUESTS (0: no limit) were answered. Prints one JSON line: answers by status class,
 * requests each second between the first request and the last answer, latency, and its own CPU time. */
#include "common.h"

#define BUFFER (1 << 18)

typedef struct {
    int fd;
    bool connected;
    const char *out;
    size_t left, have, need;
    int status;
    uint64_t sent_at;
    char in[BUFFER];
} conn_t;

static struct {
    const char *host;
    int port, epoll;
    size_t requests, turn;
    char **request;
    size_t *size;
    uint64_t limit, sent, ok, unavailable, other, broken, last;
    char sample[400];
    hist_t latency;
} g;

static void load_requests(const char *path) {
    size_t size, at = 0, room = 16;
    char *text = read_file(path, &size), *end;
    g.request = calloc(room, sizeof *g.request);
    g.size = calloc(room, sizeof *g.size);
    while (at < size) {
        size_t length = strtoul(text + at, &end, 10);
        if (*end != '\n') die("request file");
        if (g.requests == room) {
            room *= 2;
            g.request = realloc(g.request, room * sizeof *g.request);
            g.size = realloc(g.size, room * sizeof *g.size);
        }
        g.request[g.requests] = end + 1;
        g.size[g.requests++] = length;
        at = (size_t)(end + 1 - text) + length;
    }
    if (!g.requests) die("no request");
}

static void watch(conn_t *c, uint32_t events) {
    struct epoll_event e = {.events = events, .data.ptr = c};
    epoll_ctl(g.epoll, EPOLL_CTL_MOD, c->fd, &e);
}

static void push(conn_t *c) {
    while (c->left) {
        ssize_t n = send(c->fd, c->out, c->left, MSG_NOSIGNAL);
        if (n < 0) {
            if (errno == EAGAIN) watch(c, EPOLLIN | EPOLLOUT);
            return;
        }
        c->out += n;
        c->left -= (size_t)n;
    }
    watch(c, EPOLLIN);
}

static void next(conn_t *c) {
    c->have = c->need = 0;
    if (g.limit && g.sent >= g.limit) return;
    g.sent++;
    c->out = g.request[g.turn % g.requests];
    c->left = g.size[g.turn++ % g.requests];
    c->sent_at = now_ns();
    push(c);
}

static void open_one(conn_t *c) {
    c->fd = dial(g.host, g.port, 0);
    if (c->fd < 0) die("connect");
    struct epoll_event e = {.events = EPOLLOUT, .data.ptr = c};
    if (epoll_ctl(g.epoll, EPOLL_CTL_ADD, c->fd, &e) < 0) die("epoll_ctl");
    c->connected = false;
}

static void count(conn_t *c) {
    uint64_t now = now_ns();
    if (c->status >= 200 && c->status < 300) {
        g.ok++;
        hist_add(&g.latency, now - c->sent_at);
    } else if (c->status == 503) {
        g.unavailable++;
    } else {
        g.other++;
    }
    if ((c->status < 200 || c->status >= 300) && !g.sample[0]) {
        size_t n = c->have < sizeof g.sample - 1 ? c->have : sizeof g.sample - 1;
        for (size_t i = 0; i < n; i++) {
            char b = c->in[i];
            g.sample[i] = b < 32 || b == '"' || b == '\\' ? ' ' : b;
        }
    }
    g.last = now;
}

static void on_readable(conn_t *c) {
    ssize_t n = recv(c->fd, c->in + c->have, BUFFER - 1 - c->have, 0);
    if (n <= 0) {
        if (n < 0 && errno == EAGAIN) return;
        close(c->fd); /* counted, and the connection is opened again: a server may end keep-alive as it likes */
        if (c->have || c->left) g.broken++;
        open_one(c);
        return;
    }
    c->have += (size_t)n;
    c->in[c->have] = 0;
    if (!c->need) {
        char *end = memmem(c->in, c->have, "\r\n\r\n", 4);
        if (!end) return;
        c->status = atoi(c->in + 9);
        *end = 0;
        char *length = strcasestr(c->in, "\ncontent-length:");
        c->need = (size_t)(end - c->in) + 4 + (length ? strtoul(length + 16, NULL, 10) : 0);
        *end = '\r';
        if (c->need >= BUFFER) die("answer too long");
    }
    if (c->have < c->need) return;
    count(c);
    next(c);
}

static void handle(conn_t *c, uint32_t events) {
    if (!c->connected) {
        c->connected = true;
        next(c);
        return;
    }
    if (events & EPOLLOUT) push(c);
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) on_readable(c);
}

int main(int argc, char **argv) {
    if (argc != 7) return fprintf(stderr, "usage: httpload HOST PORT FILE CONNECTIONS SECONDS MAX\n"), 2;
    raise_files();
    g.host = argv[1];
    g.port = atoi(argv[2]);
    load_requests(argv[3]);
    size_t connections = (size_t)atoi(argv[4]);
    g.limit = strtoull(argv[6], NULL, 10);
    g.epoll = epoll_create1(EPOLL_CLOEXEC);
    conn_t *conn = calloc(connections, sizeof *conn);
    uint64_t started = now_ns(), until = started + (uint64_t)(atof(argv[5]) * 1e9), cpu = cpu_us();
    for (size_t i = 0; i < connections; i++) open_one(&conn[i]);
    struct epoll_event events[512];
    while (now_ns() < until && !(g.limit && g.ok + g.unavailable + g.other + g.broken >= g.limit)) {
        int n = epoll_wait(g.epoll, events, 512, 50);
        for (int i = 0; i < n; i++) handle(events[i].data.ptr, events[i].events);
    }
    double seconds = g.last > started ? (double)(g.last - started) / 1e9 : 0;
    printf("{\"ok\":%llu,\"unavailable\":%llu,\"other\":%llu,\"broken\":%llu,\"seconds\":%.4f,\"per_second\":%.1f,"
           "\"cpu_us\":%llu,\"sample\":\"%s\",",
           (unsigned long long)g.ok, (unsigned long long)g.unavailable, (unsigned long long)g.other,
           (unsigned long long)g.broken, seconds, seconds > 0 ? (double)g.ok / seconds : 0.0,
           (unsigned long long)(cpu_us() - cpu), g.sample);
    hist_print(&g.latency, stdout);
    printf("}\n");
    return 0;
}
