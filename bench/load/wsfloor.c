/* The floor: what the kernel alone costs. Accepts WebSocket connections, then sends ready frames with plain send().
 *
 *   wsfloor PORT
 *
 * No authentication, no Redis, no session: a server cannot be faster on these sockets than this loop, unless it joins
 * frames. Commands on stdin, each answered with one JSON line:
 *   clients                    how many are connected
 *   burst COUNT SIZE           COUNT broadcasts of a SIZE byte payload to every client, in the order of connecting
 *   random COUNT SIZE          COUNT single sends to random clients
 *   paced COUNT SIZE RATE      COUNT broadcasts, RATE each second
 *   quit */
#include "common.h"
#include <poll.h>

#define MAX_CLIENTS 20000
#define MAX_FRAME 70000

static int client[MAX_CLIENTS];
static size_t clients;
static uint64_t dropped;

static void answer(int fd) {
    static const char reply[] =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    char request[8192];
    if (recv(fd, request, sizeof request, 0) > 0) send(fd, reply, sizeof reply - 1, MSG_NOSIGNAL);
}

static void take(int listener) {
    int fd, one = 1;
    while (clients < MAX_CLIENTS && (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        client[clients++] = fd;
    }
}

/* One frame: header, then {"t":<19 digits>,"pad":"xxx..."}. Returns its length; the time is patched in later. */
static size_t make(char *frame, size_t size, size_t *stamp_at) {
    size_t head = size < 126 ? 2 : size < 65536 ? 4 : 10;
    frame[0] = (char)0x81;
    if (head == 2) {
        frame[1] = (char)size;
    } else if (head == 4) {
        frame[1] = 126;
        frame[2] = (char)(size >> 8);
        frame[3] = (char)(size & 255);
    } else {
        frame[1] = 127;
        for (int i = 0; i < 8; i++) frame[2 + i] = (char)((uint64_t)size >> (56 - 8 * i));
    }
    memset(frame + head, 'x', size);
    memcpy(frame + head, "{\"t\":", 5);
    memcpy(frame + head + 24, ",\"pad\":\"", 8);
    memcpy(frame + head + size - 2, "\"}", 2);
    *stamp_at = head + 5;
    return head + size;
}

static void patch(char *at) {
    uint64_t v = now_ns();
    for (int i = 18; i >= 0; i--, v /= 10) at[i] = (char)('0' + v % 10);
}

static void push(int fd, const char *data, size_t size) {
    while (size) {
        ssize_t n = send(fd, data, size, MSG_NOSIGNAL);
        if (n < 0) {
            struct pollfd p = {.fd = fd, .events = POLLOUT};
            if (errno != EAGAIN || poll(&p, 1, 2000) != 1) {
                dropped++;
                return;
            }
            continue;
        }
        data += n;
        size -= (size_t)n;
    }
}

static void done(const char *what, uint64_t started, uint64_t cpu, uint64_t sends) {
    uint64_t end = now_ns();
    printf("{\"event\":\"%s\",\"sends\":%llu,\"dropped\":%llu,\"started\":%llu,\"ended\":%llu,\"cpu_us\":%llu}\n",
           what, (unsigned long long)sends, (unsigned long long)dropped, (unsigned long long)started,
           (unsigned long long)end, (unsigned long long)(cpu_us() - cpu));
    fflush(stdout);
}

static void broadcasts(uint64_t count, size_t size, double rate) {
    static char frame[MAX_FRAME];
    size_t at, length = make(frame, size, &at);
    uint64_t started = now_ns(), cpu = cpu_us();
    for (uint64_t i = 0; i < count; i++) {
        if (rate > 0) {
            uint64_t due = started + (uint64_t)((double)i * 1e9 / rate), now = now_ns();
            if (due > now) usleep((useconds_t)((due - now) / 1000));
        }
        patch(frame + at);
        for (size_t c = 0; c < clients; c++) push(client[c], frame, length);
    }
    done("burst", started, cpu, count * clients);
}

static void singles(uint64_t count, size_t size) {
    static char frame[MAX_FRAME];
    size_t at, length = make(frame, size, &at);
    uint64_t started = now_ns(), cpu = cpu_us();
    unsigned seed = 1;
    for (uint64_t i = 0; i < count && clients; i++) {
        patch(frame + at);
        push(client[(size_t)rand_r(&seed) % clients], frame, length);
    }
    done("random", started, cpu, count);
}

static bool obey(const char *line) {
    unsigned long long count, size;
    double rate;
    if (sscanf(line, "burst %llu %llu", &count, &size) == 2) broadcasts(count, (size_t)size, 0);
    else if (sscanf(line, "paced %llu %llu %lf", &count, &size, &rate) == 3) broadcasts(count, (size_t)size, rate);
    else if (sscanf(line, "random %llu %llu", &count, &size) == 2) singles(count, (size_t)size);
    else if (strcmp(line, "clients") == 0) printf("{\"event\":\"clients\",\"clients\":%zu}\n", clients);
    else return false;
    fflush(stdout);
    return true;
}

static int listen_on(int port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) < 0 || listen(fd, 4096) < 0) die("listen");
    return fd;
}

int main(int argc, char **argv) {
    if (argc != 2) return fprintf(stderr, "usage: wsfloor PORT\n"), 2;
    raise_files();
    int listener = listen_on(atoi(argv[1])), ep = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event e = {.events = EPOLLIN, .data.fd = listener}, events[512];
    epoll_ctl(ep, EPOLL_CTL_ADD, listener, &e);
    e.data.fd = STDIN_FILENO;
    epoll_ctl(ep, EPOLL_CTL_ADD, STDIN_FILENO, &e);
    lines_t lines = {.have = 0};
    printf("{\"event\":\"ready\"}\n");
    fflush(stdout);
    for (;;) {
        size_t before = clients;
        int n = epoll_wait(ep, events, 512, 1000);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) {
                take(listener);
            } else if (fd == STDIN_FILENO) {
                bool more = lines_fill(&lines);
                for (char *line; (line = lines_next(&lines));)
                    if (!obey(line)) return 0;
                if (!more) return 0;
            } else {
                answer(fd);
                epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL);
            }
        }
        for (size_t i = before; i < clients; i++) {
            e.data.fd = client[i];
            epoll_ctl(ep, EPOLL_CTL_ADD, client[i], &e);
        }
    }
}
