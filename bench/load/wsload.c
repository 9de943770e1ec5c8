/* A WebSocket load client: opens many connections, counts notification frames, and times them.
 *
 *   wsload HOST FILE plain|native|socketio ACK_MS SMALL
 *
 * FILE has one line per connection: port, path, token (or -), separated by tabs. The token goes into the handshake
 * as `Authorization: Bearer`, for socketio into the CONNECT packet. ACK_MS > 0: native connections acknowledge what
 * they got, each so many milliseconds. The first SMALL connections get a 4 KiB receive buffer (for `stall`).
 *
 * A frame counts if it carries `"t":<CLOCK_MONOTONIC ns>`; its latency is arrival minus t. Native frames are checked
 * as a client must check them: prev <= last < seq, else a gap or a duplicate is counted.
 *
 * Commands on stdin, each answered with one JSON line:
 *   reset | report | wait FRAMES MS | stall COUNT | quit */
#include "wsload_frames.h"

#define READ_SIZE (1 << 20)
#define IN_HANDSHAKE 128 /* handshakes under way at once; more would only fill the listen queue */

static char buffer[READ_SIZE];

static void begin(size_t index) {
    conn_t *c = &g.conn[index];
    int port;
    char path[1024], token[1800];
    fields(index, &port, path, token);
    c->fd = dial(g.host, port, index < g.small ? 4096 : 0);
    c->phase = CONNECTING;
    g.in_handshake++;
    if (c->fd < 0) {
        c->phase = GONE;
        g.failed++, g.in_handshake--;
        return;
    }
    struct epoll_event e = {.events = EPOLLOUT, .data.u64 = index};
    if (epoll_ctl(g.epoll, EPOLL_CTL_ADD, c->fd, &e) < 0) die("epoll_ctl");
}

static void ask_upgrade(size_t index) {
    conn_t *c = &g.conn[index];
    int port, error = 0, n;
    socklen_t size = sizeof error;
    char path[1024], token[1800], out[4096];
    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) {
        lose(c);
        return;
    }
    fields(index, &port, path, token);
    n = snprintf(out, sizeof out,
                 "GET %s HTTP/1.1\r\nHost: %s:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n",
                 path, g.host, port);
    if (g.mode != SOCKETIO && strcmp(token, "-") != 0)
        n += snprintf(out + n, sizeof out - (size_t)n, "Authorization: Bearer %s\r\n", token);
    n += snprintf(out + n, sizeof out - (size_t)n, "\r\n");
    c->phase = UPGRADING;
    struct epoll_event e = {.events = EPOLLIN, .data.u64 = index};
    epoll_ctl(g.epoll, EPOLL_CTL_MOD, c->fd, &e);
    send_all(c, out, (size_t)n);
}

static size_t upgraded(conn_t *c, const char *data, size_t size) {
    const char *end = memmem(data, size, "\r\n\r\n", 4);
    if (!end) return 0;
    if (size < 12 || memcmp(data, "HTTP/1.1 101", 12) != 0) {
        if (g.failed == 0) fprintf(stderr, "refused: %.*s\n", (int)(size < 400 ? size : 400), data);
        lose(c);
        return size;
    }
    if (g.mode == PLAIN) joined(c);
    else c->phase = JOINING;
    return (size_t)(end - data) + 4;
}

static void keep(conn_t *c, const char *data, size_t size) {
    if (!size) {
        free(c->carry);
        c->carry = NULL;
    } else {
        char *copy = malloc(size);
        if (!copy) die("malloc");
        memcpy(copy, data, size);
        free(c->carry);
        c->carry = copy;
    }
    c->carried = (uint32_t)size;
}

static void on_readable(size_t index) {
    conn_t *c = &g.conn[index];
    size_t have = c->carried, used = 0;
    if (have) memcpy(buffer, c->carry, have);
    ssize_t n = recv(c->fd, buffer + have, READ_SIZE - have, 0);
    if (n <= 0) {
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
        lose(c);
        return;
    }
    have += (size_t)n;
    g.bytes += (uint64_t)n;
    if (c->phase == UPGRADING) used = upgraded(c, buffer, have);
    if (c->phase == JOINING || c->phase == OPEN) used += cut(c, index, buffer + used, have - used, now_ns());
    if (c->phase != GONE) keep(c, buffer + used, have - used);
}

static void send_acks(void) {
    for (size_t i = 0; i < g.count; i++) {
        conn_t *c = &g.conn[i];
        if (c->phase != OPEN || c->stalled) continue;
        bool me = c->last[0] > c->acked[0], all = c->last[1] > c->acked[1];
        if (!me && !all) continue;
        char out[120];
        int n = snprintf(out, sizeof out, "{\"type\":\"ack\"");
        if (me) n += snprintf(out + n, sizeof out - (size_t)n, ",\"me\":%lld", (long long)c->last[0]);
        if (all) n += snprintf(out + n, sizeof out - (size_t)n, ",\"all\":%lld", (long long)c->last[1]);
        n += snprintf(out + n, sizeof out - (size_t)n, "}");
        c->acked[0] = c->last[0];
        c->acked[1] = c->last[1];
        send_frame(c, 1, out, (size_t)n);
    }
}

static void report(const char *event) {
    printf("{\"event\":\"%s\",\"open\":%zu,\"failed\":%zu,\"closed\":%zu,\"recovered\":%zu,\"frames\":%llu,\"others\":%llu,"
           "\"bytes\":%llu,\"gaps\":%llu,\"duplicates\":%llu,\"since\":%llu,\"now\":%llu,\"first\":%llu,"
           "\"last\":%llu,\"cpu_us\":%llu,",
           event, g.open, g.failed, g.closed, g.recovered, (unsigned long long)g.frames, (unsigned long long)g.others,
           (unsigned long long)g.bytes, (unsigned long long)g.gaps, (unsigned long long)g.duplicates,
           (unsigned long long)g.reset_at, (unsigned long long)now_ns(), (unsigned long long)g.first,
           (unsigned long long)g.last, (unsigned long long)(cpu_us() - g.cpu_at));
    hist_print(&g.latency, stdout);
    printf("}\n");
    fflush(stdout);
}

static void reset(void) {
    g.reset_at = now_ns();
    g.cpu_at = cpu_us();
    g.frames = g.others = g.bytes = g.first = g.last = g.gaps = g.duplicates = 0;
    memset(&g.latency, 0, sizeof g.latency);
}

static void stall(size_t count) {
    for (size_t i = 0; i < count && i < g.count; i++) {
        if (g.conn[i].phase != OPEN) continue;
        g.conn[i].stalled = true;
        epoll_ctl(g.epoll, EPOLL_CTL_DEL, g.conn[i].fd, NULL);
    }
}

static bool obey(char *line) {
    unsigned long long a = 0, b = 0;
    if (sscanf(line, "wait %llu %llu", &a, &b) == 2) {
        g.wait_frames = a;
        g.wait_until = now_ns() + b * 1000000ull;
        return true;
    }
    if (sscanf(line, "stall %llu", &a) == 1) stall((size_t)a);
    else if (strcmp(line, "reset") == 0) reset();
    else if (strcmp(line, "quit") == 0) return false;
    report(line[0] == 'r' && line[2] == 's' ? "reset" : "report");
    return true;
}

/* Once every connection is open or refused; then whenever a `wait` is met. */
static void announce(uint64_t now) {
    if (!g.announced && g.next == g.count && g.in_handshake == 0) {
        g.announced = true;
        printf("{\"event\":\"open\",\"open\":%zu,\"failed\":%zu,\"seconds\":%.4f}\n", g.open, g.failed,
               (double)(now - g.started) / 1e9);
        fflush(stdout);
    }
    if (g.wait_until && (g.frames >= g.wait_frames || now >= g.wait_until)) {
        g.wait_until = 0;
        report("waited");
    }
}

static void load_lines(const char *path) {
    size_t size;
    char *text = read_file(path, &size), *save = NULL;
    for (size_t i = 0; i < size; i++) g.count += text[i] == '\n';
    g.line = calloc(g.count, sizeof *g.line);
    g.conn = calloc(g.count, sizeof *g.conn);
    if (!g.line || !g.conn) die("calloc");
    char *line = strtok_r(text, "\n", &save);
    for (size_t i = 0; i < g.count && line; i++, line = strtok_r(NULL, "\n", &save)) {
        g.line[i] = line;
        for (int s = 0; s < 2; s++) g.conn[i].last[s] = g.conn[i].acked[s] = -1;
    }
}

static bool handle(struct epoll_event *e, lines_t *lines) {
    if (e->data.u64 == UINT64_MAX) {
        bool more = lines_fill(lines);
        for (char *line; (line = lines_next(lines));)
            if (!obey(line)) return false;
        return more;
    }
    conn_t *c = &g.conn[e->data.u64];
    if (c->phase == GONE || c->stalled) return true;
    if (c->phase == CONNECTING) ask_upgrade(e->data.u64);
    else on_readable(e->data.u64);
    return true;
}

int main(int argc, char **argv) {
    if (argc != 6) return fprintf(stderr, "usage: wsload HOST FILE plain|native|socketio ACK_MS SMALL\n"), 2;
    raise_files();
    g.host = argv[1];
    g.mode = argv[3][0] == 'n' ? NATIVE : argv[3][0] == 's' ? SOCKETIO : PLAIN;
    g.ack_ms = atoi(argv[4]);
    g.small = (size_t)atoi(argv[5]);
    load_lines(argv[2]);
    g.epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event e = {.events = EPOLLIN, .data.u64 = UINT64_MAX}, events[512];
    epoll_ctl(g.epoll, EPOLL_CTL_ADD, STDIN_FILENO, &e);
    lines_t lines = {.have = 0};
    g.started = now_ns();
    reset();
    for (uint64_t ack_at = g.started;;) {
        while (g.next < g.count && g.in_handshake < IN_HANDSHAKE) begin(g.next++);
        int n = epoll_wait(g.epoll, events, 512, g.ack_ms || g.wait_until ? 5 : 1000);
        for (int i = 0; i < n; i++)
            if (!handle(&events[i], &lines)) return 0;
        uint64_t now = now_ns();
        if (g.ack_ms && now >= ack_at) {
            send_acks();
            ack_at = now + (uint64_t)g.ack_ms * 1000000ull;
        }
        announce(now);
    }
}
