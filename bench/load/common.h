/* What the three load programs share: the clock, a latency histogram, sockets and a line reader for commands.
 * Header only, so that each program is one gcc call with one source file. */
#ifndef BENCH_COMMON_H
#define BENCH_COMMON_H

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* CLOCK_MONOTONIC is one clock for all processes of a machine; Python's time.monotonic_ns() reads the same. */
static inline uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static inline void die(const char *what) {
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(2);
}

/* User plus system time of this process in microseconds: shows that the load client had room to spare. */
static inline uint64_t cpu_us(void) {
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (uint64_t)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000000ull +
           (uint64_t)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

/* Log-linear histogram of nanoseconds: 64 steps in each power of two, so a quantile is right within 1.6 %. */
#define HIST_SIZE 4096
typedef struct {
    uint64_t bucket[HIST_SIZE], count, max;
} hist_t;

static inline void hist_add(hist_t *h, uint64_t v) {
    unsigned index;
    if (v < 64) {
        index = (unsigned)v;
    } else {
        unsigned shift = 63u - (unsigned)__builtin_clzll(v) - 6u;
        index = (shift + 1u) * 64u + (unsigned)((v >> shift) - 64u);
    }
    h->bucket[index < HIST_SIZE ? index : HIST_SIZE - 1]++;
    h->count++;
    if (v > h->max) h->max = v;
}

static inline double hist_ms(const hist_t *h, double quantile) {
    uint64_t want = (uint64_t)(quantile * (double)h->count + 0.5), seen = 0;
    if (want < 1) want = 1;
    for (unsigned i = 0; i < HIST_SIZE; i++) {
        seen += h->bucket[i];
        if (seen >= want) {
            double low = i < 64 ? (double)i : (double)((uint64_t)(64u + i % 64u) << (i / 64u - 1u));
            double step = i < 64 ? 1.0 : (double)(1ull << (i / 64u - 1u));
            double v = low + step / 2.0;
            return (v > (double)h->max ? (double)h->max : v) / 1e6;
        }
    }
    return 0.0;
}

static inline void hist_print(const hist_t *h, FILE *out) {
    fprintf(out, "\"p50_ms\":%.4f,\"p90_ms\":%.4f,\"p99_ms\":%.4f,\"max_ms\":%.4f", hist_ms(h, 0.5),
            hist_ms(h, 0.9), hist_ms(h, 0.99), (double)h->max / 1e6);
}

static inline void nonblocking(int fd) {
    if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL, 0) | O_NONBLOCK) < 0) die("fcntl");
}

static inline int dial(const char *host, int port, int rcvbuf) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    if (fd < 0) die("socket");
    nonblocking(fd);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (rcvbuf > 0) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof rcvbuf);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (inet_pton(AF_INET, host, &a.sin_addr) != 1) die("address");
    if (connect(fd, (struct sockaddr *)&a, sizeof a) < 0 && errno != EINPROGRESS) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Raises the soft limit of open files to the hard one: 5,000 sockets do not fit the usual 1,024. */
static inline void raise_files(void) {
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
        r.rlim_cur = r.rlim_max;
        setrlimit(RLIMIT_NOFILE, &r);
    }
}

/* Commands arrive as lines on stdin. Returns the next whole line (without its end), or NULL; *ended on end of input. */
typedef struct {
    char text[4096];
    size_t have, used;
} lines_t;

static inline bool lines_fill(lines_t *l) {
    memmove(l->text, l->text + l->used, l->have - l->used);
    l->have -= l->used;
    l->used = 0;
    ssize_t n = read(STDIN_FILENO, l->text + l->have, sizeof l->text - 1 - l->have);
    if (n > 0) l->have += (size_t)n;
    return n != 0;
}

static inline char *lines_next(lines_t *l) {
    char *start = l->text + l->used, *end = memchr(start, '\n', l->have - l->used);
    if (!end) return NULL;
    *end = 0;
    l->used = (size_t)(end - l->text) + 1;
    return start;
}

static inline char *read_file(const char *path, size_t *size) {
    FILE *f = fopen(path, "rb");
    if (!f) die(path);
    fseek(f, 0, SEEK_END);
    long n = ftell(f);
    rewind(f);
    char *text = malloc((size_t)n + 1);
    if (!text || fread(text, 1, (size_t)n, f) != (size_t)n) die(path);
    text[n] = 0;
    fclose(f);
    *size = (size_t)n;
    return text;
}

#endif
