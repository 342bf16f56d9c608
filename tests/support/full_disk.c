/* Interposed on a process: the disk takes FULL_AFTER bytes under FULL_ROOT, and then no more. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static long long written;

static int is_full(int fd, size_t size) {
    char link[64], path[4096];
    struct stat status;
    if (!getenv("FULL_ROOT") || fstat(fd, &status) || !S_ISREG(status.st_mode)) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    if (strncmp(path, getenv("FULL_ROOT"), strlen(getenv("FULL_ROOT")))) return 0;
    return __sync_add_and_fetch(&written, (long long)size) > atoll(getenv("FULL_AFTER"));
}

ssize_t write(int fd, const void *data, size_t size) {
    ssize_t (*real)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
    if (!is_full(fd, size)) return real(fd, data, size);
    errno = ENOSPC;
    return -1;
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
    ssize_t (*real)(int, const void *, size_t, off64_t) = dlsym(RTLD_NEXT, "pwrite64");
    if (!is_full(fd, size)) return real(fd, data, size, at);
    errno = ENOSPC;
    return -1;
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
    ssize_t (*real)(int, const void *, size_t, off_t) = dlsym(RTLD_NEXT, "pwrite");
    if (!is_full(fd, size)) return real(fd, data, size, at);
    errno = ENOSPC;
    return -1;
}
