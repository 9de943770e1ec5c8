/* The protocol half of wsload: what a connection is, and what its frames mean in each of the three dialects. */
#ifndef BENCH_WSLOAD_FRAMES_H
#define BENCH_WSLOAD_FRAMES_H

#include "common.h"

enum mode { PLAIN, NATIVE, SOCKETIO };
enum phase { CONNECTING, UPGRADING, JOINING, OPEN, GONE };

typedef struct {
    int fd;
    enum phase phase;
    bool stalled;
    char *carry; /* the part of a frame that a read ended in */
    uint32_t carried;
    int64_t last[2], acked[2]; /* me, all; -1: not known yet */
} conn_t;

static struct {
    enum mode mode;
    const char *host;
    int epoll, ack_ms;
    size_t count, next, small, in_handshake, open, failed, closed, recovered;
    char **line;
    conn_t *conn;
    uint64_t started;
    bool announced;
    /* since the last reset */
    uint64_t reset_at, cpu_at, frames, others, bytes, first, last, gaps, duplicates;
    hist_t latency;
    uint64_t wait_frames, wait_until;
} g;

static void lose(conn_t *c) {
    if (c->phase == GONE) return;
    if (c->phase == OPEN) g.closed++, g.open--;
    else g.failed++, g.in_handshake--;
    close(c->fd);
    free(c->carry);
    c->carry = NULL;
    c->carried = 0;
    c->phase = GONE;
}

static void send_all(conn_t *c, const char *data, size_t size) {
    /* Small requests on an idle socket: they fit the send buffer or the connection is lost anyway. */
    if (send(c->fd, data, size, MSG_NOSIGNAL) != (ssize_t)size) lose(c);
}

/* Clients must mask. The mask of zeros is a legal mask and leaves the text readable in a capture. */
static void send_frame(conn_t *c, int opcode, const char *data, size_t size) {
    char out[2100];
    size_t at = 0;
    if (size > 2000) return;
    out[at++] = (char)(0x80 | opcode);
    if (size < 126) {
        out[at++] = (char)(0x80 | size);
    } else {
        out[at++] = (char)(0x80 | 126);
        out[at++] = (char)(size >> 8);
        out[at++] = (char)(size & 255);
    }
    memset(out + at, 0, 4);
    at += 4;
    memcpy(out + at, data, size);
    send_all(c, out, at + size);
}

static void fields(size_t index, int *port, char *path, char *token) {
    if (sscanf(g.line[index], "%d\t%1023s\t%1799s", port, path, token) != 3) die("connection line");
}

static void joined(conn_t *c) {
    c->phase = OPEN;
    g.open++;
    g.in_handshake--;
}

/* The integer after `name` in the first bytes of a frame; -1 if it is null or not there. */
static int64_t number(const char *text, size_t size, const char *name) {
    const char *at = memmem(text, size, name, strlen(name));
    if (!at) return -1;
    at += strlen(name);
    if (at >= text + size || *at < '0' || *at > '9') return -1;
    int64_t v = 0;
    for (; at < text + size && *at >= '0' && *at <= '9'; at++) v = v * 10 + (*at - '0');
    return v;
}

static void follow(conn_t *c, const char *text, size_t size) {
    size_t head = size < 120 ? size : 120;
    int s = memmem(text, head, "\"stream\":\"all\"", 14) != NULL;
    int64_t seq = number(text, head, "\"seq\":"), prev = number(text, head, "\"prev\":");
    if (seq < 0) return;
    if (c->last[s] >= 0 && seq <= c->last[s]) g.duplicates++;
    else if (c->last[s] >= 0 && prev > c->last[s]) g.gaps++;
    c->last[s] = seq;
}

static void stamp(const char *text, size_t size, uint64_t now) {
    const char *at = memmem(text, size, "\"t\":", 4);
    if (!at) {
        g.others++;
        return;
    }
    uint64_t sent = 0;
    for (at += 4; at < text + size && *at >= '0' && *at <= '9'; at++) sent = sent * 10 + (uint64_t)(*at - '0');
    if (!g.frames++) g.first = now;
    g.last = now;
    hist_add(&g.latency, now > sent ? now - sent : 0);
}

static void on_native(conn_t *c, const char *text, size_t size, uint64_t now) {
    if (size > 17 && memcmp(text, "{\"type\":\"welcome\"", 17) == 0) {
        int64_t me = number(text, size, "\"me\":"), all = number(text, size, "\"all\":");
        c->last[0] = c->acked[0] = me;
        c->last[1] = c->acked[1] = all;
        if (memmem(text, size, "\"recovered\":true", 16)) g.recovered++;
        if (c->phase == JOINING) joined(c);
        return;
    }
    if (size > 22 && memcmp(text, "{\"type\":\"notification\"", 22) == 0) follow(c, text, size);
    else if (size > 18 && memcmp(text, "{\"type\":\"position\"", 18) == 0) follow(c, text, size);
    stamp(text, size, now);
}

static void on_socketio(conn_t *c, size_t index, const char *text, size_t size, uint64_t now) {
    if (size && text[0] == '2') {
        send_frame(c, 1, "3", 1);
    } else if (size && text[0] == '0') {
        int port;
        char path[1024], token[1800], out[1900];
        fields(index, &port, path, token);
        int n = snprintf(out, sizeof out, "40{\"token\":\"%s\"}", token);
        send_frame(c, 1, out, (size_t)n);
    } else if (size > 1 && text[0] == '4' && text[1] == '0') {
        if (c->phase == JOINING) joined(c);
    } else {
        stamp(text, size, now);
    }
}

static void on_frame(conn_t *c, size_t index, int opcode, const char *text, size_t size, uint64_t now) {
    if (opcode == 9) send_frame(c, 10, text, size);
    else if (opcode == 8) lose(c);
    else if (g.mode == NATIVE) on_native(c, text, size, now);
    else if (g.mode == SOCKETIO) on_socketio(c, index, text, size, now);
    else stamp(text, size, now);
}

/* Cuts the bytes into frames; returns how many bytes were used. Servers do not mask and here never fragment. */
static size_t cut(conn_t *c, size_t index, const char *data, size_t size, uint64_t now) {
    size_t at = 0;
    while (size - at >= 2 && c->phase != GONE) {
        const unsigned char *p = (const unsigned char *)data + at;
        size_t head = 2, length = p[1] & 127;
        if (length == 126) {
            if (size - at < 4) break;
            length = (size_t)p[2] << 8 | p[3];
            head = 4;
        } else if (length == 127) {
            if (size - at < 10) break;
            length = 0;
            for (int i = 2; i < 10; i++) length = length << 8 | p[i];
            head = 10;
        }
        if (size - at < head + length) break;
        on_frame(c, index, p[0] & 15, data + at + head, length, now);
        at += head + length;
    }
    return at;
}

#endif
