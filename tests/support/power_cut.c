/* Interposed on a process: keeps, of each fsync, what is durable from then on.
 *
 * CUT_ROOT is the folder that is watched, CUT_OUT where this writes. Each line of `events` is
 * "S number inode path" for a synced file, whose content is the file `number`; "D number inode
 * path" for a synced folder, whose entries are the lines "inode name" of that file; or "P" for a
 * POST that leaves. Content is read by the descriptor itself: opening and closing the file anew
 * would drop the locks of SQLite.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
static int number;

static FILE *out(const char *name, const char *mode) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", getenv("CUT_OUT"), name);
    return fopen(path, mode);
}

static void event(const char *line) {
    FILE *events = out("events", "a");
    fputs(line, events);
    fclose(events);
}

static void keep(int fd) {
    char link[64], path[4000], line[4096], name[32], block[65536];
    struct stat status;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0 || !getenv("CUT_ROOT")) return;
    path[length] = 0;
    if (strncmp(path, getenv("CUT_ROOT"), strlen(getenv("CUT_ROOT"))) || fstat(fd, &status)) return;
    pthread_mutex_lock(&one_at_a_time);
    snprintf(name, sizeof name, "%d", ++number);
    FILE *kept = out(name, "w");
    if (S_ISDIR(status.st_mode)) {
        DIR *folder = opendir(path);
        struct dirent *entry;
        while ((entry = readdir(folder)))
            if (entry->d_name[0] != '.' || entry->d_name[1] > '.')
                fprintf(kept, "%lu %s\n", (unsigned long)entry->d_ino, entry->d_name);
        closedir(folder);
    } else {
        off_t at = 0;
        ssize_t got;
        while ((got = pread(fd, block, sizeof block, at)) > 0) at += fwrite(block, 1, got, kept);
    }
    fclose(kept);
    snprintf(line, sizeof line, "%c %d %lu %s\n", S_ISDIR(status.st_mode) ? 'D' : 'S', number,
             (unsigned long)status.st_ino, path);
    event(line);
    pthread_mutex_unlock(&one_at_a_time);
}

int fsync(int fd) {
    int (*real)(int) = dlsym(RTLD_NEXT, "fsync");
    int result = real(fd);
    if (!result) keep(fd);
    return result;
}

int fdatasync(int fd) {
    int (*real)(int) = dlsym(RTLD_NEXT, "fdatasync");
    int result = real(fd);
    if (!result) keep(fd);
    return result;
}

ssize_t send(int fd, const void *data, size_t size, int flags) {
    ssize_t (*real)(int, const void *, size_t, int) = dlsym(RTLD_NEXT, "send");
    if (size > 4 && !memcmp(data, "POST", 4) && getenv("CUT_OUT")) {
        pthread_mutex_lock(&one_at_a_time);
        event("P\n");
        pthread_mutex_unlock(&one_at_a_time);
    }
    return real(fd, data, size, flags);
}
