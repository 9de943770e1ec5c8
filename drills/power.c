/* Loaded into Redis: writes down how much of each append-only file a finished fsync has brought to the disk. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int noting(int fd, const char *name)
{
    static int record = -2;
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    char link[64], path[4096], line[4200];
    struct stat before;
    int known = fstat(fd, &before) == 0;
    int done = real(fd);
    if (done != 0 || !known)
        return done;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0)
        return done;
    path[length] = 0;
    if (!strstr(path, ".aof"))
        return done;
    if (record == -2) {
        const char *where = getenv("POWER_RECORD");
        record = where ? open(where, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    }
    int size = snprintf(line, sizeof line, "%lld %s\n", (long long)before.st_size, path);
    if (record >= 0 && write(record, line, size) != size)
        abort();
    return done;
}

int fsync(int fd) { return noting(fd, "fsync"); }
int fdatasync(int fd) { return noting(fd, "fdatasync"); }
