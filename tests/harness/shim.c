/*
 * What a power cut leaves, and a sync that one can hold: preloaded into a node by tests.
 *
 * kill -9 cannot show durability: the kernel keeps what was written and never synced. So each
 * successful sync of a watched file copies its bytes to a shadow folder; the shadow is "the bytes
 * as of the last fsync", and a node started on it is a node after a power cut. A copy appears by
 * rename: what is killed half-way leaves the older one, as a cut in mid-sync may. A copy goes when
 * its file is gone and the folder was synced.
 *
 * XB_SHIM_WATCH   path prefix of the files that count (the store and its WAL)
 * XB_SHIM_SHADOW  folder of the copies; not set: none are made
 * XB_SHIM_GATE    while this file exists, a sync of a watched file does not begin
 * XB_SHIM_KILL    a file saying "before N" or "after N": the process kills itself around the N-th
 *                 sync from now on, at no sync where N is 0; the file goes when it was read
 * XB_SHIM_COUNT   grows by one byte with each sync
 * XB_SHIM_FAIL    while this file exists, writes to watched files fail with "No space left on
 *                 device", and their syncs with "Input/output error" where it says so ("sync")
 * XB_SHIM_CLOCK   8 bytes, a signed number of milliseconds that the time of day is wrong by
 *
 * SQLite syncs with fdatasync, or fsync for folders; sync_file_range and msync promise no
 * durability and it does not use them, so they are left alone.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static long left = -1; /* syncs until the end; negative: nobody asked for it */
static int before;

static int watched(int fd, char path[4096])
{
    const char *prefix = getenv("XB_SHIM_WATCH");
    char link[64];
    path[0] = '\0';
    if (prefix == NULL)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, 4095);
    if (length < 0)
        return 0;
    path[length] = '\0';
    return strncmp(path, prefix, strlen(prefix)) == 0;
}

/* The folder of the watched files. Its sync makes durable that a file is gone. */
static int folder_of_watched(const char *path)
{
    const char *prefix = getenv("XB_SHIM_WATCH");
    size_t length = strlen(path);
    return prefix != NULL && strncmp(path, prefix, length) == 0 && prefix[length] == '/'
        && strchr(prefix + length + 1, '/') == NULL;
}

static void forget_what_is_gone(const char *folder)
{
    const char *shadow = getenv("XB_SHIM_SHADOW");
    DIR *copies = shadow ? opendir(shadow) : NULL;
    struct dirent *one;
    char path[8192];
    while (copies != NULL && (one = readdir(copies)) != NULL) {
        snprintf(path, sizeof path, "%s/%s", folder, one->d_name);
        if (access(path, F_OK) != 0 && unlinkat(dirfd(copies), one->d_name, 0) != 0
            && strcmp(one->d_name, ".part") != 0)
            abort();
    }
    if (copies != NULL)
        closedir(copies);
}

static void wait_at_gate(void)
{
    const char *gate = getenv("XB_SHIM_GATE");
    const struct timespec pause = {0, 2000000};
    while (gate != NULL && access(gate, F_OK) == 0)
        nanosleep(&pause, NULL);
}

static void take_order(void)
{
    const char *order = getenv("XB_SHIM_KILL");
    char word[16];
    long number;
    FILE *file = order ? fopen(order, "r") : NULL;
    if (file == NULL)
        return;
    if (fscanf(file, "%15s %ld", word, &number) == 2) {
        before = strcmp(word, "before") == 0;
        left = number > 0 ? number : -1;
    }
    fclose(file);
    unlink(order);
}

static void end_now(void)
{
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

static void count(void)
{
    const char *path = getenv("XB_SHIM_COUNT");
    int fd = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    if (fd < 0)
        return;
    if (write(fd, ".", 1) != 1)
        abort();
    close(fd);
}

/* A copy that cannot be made would let a test pass that saw nothing: better no process at all. */
static void copy(const char *path)
{
    static char bytes[1 << 18];
    char to[8192], final[8192];
    const char *shadow = getenv("XB_SHIM_SHADOW");
    const char *name = strrchr(path, '/');
    if (shadow == NULL || name == NULL)
        return;
    snprintf(to, sizeof to, "%s/.part", shadow);
    snprintf(final, sizeof final, "%s%s", shadow, name);
    int in = open(path, O_RDONLY | O_CLOEXEC);
    if (in < 0)
        return; /* unlinked meanwhile */
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ssize_t got;
    off_t at = 0;
    while (out >= 0 && (got = pread(in, bytes, sizeof bytes, at)) > 0) {
        if (write(out, bytes, (size_t)got) != got)
            abort();
        at += got;
    }
    if (out < 0 || close(out) != 0 || rename(to, final) != 0)
        abort();
    close(in);
}

/* Whether this kind of work is to fail now. */
static int failing(const char *what)
{
    const char *path = getenv("XB_SHIM_FAIL");
    char word[16] = "";
    FILE *file = path && access(path, F_OK) == 0 ? fopen(path, "r") : NULL;
    if (file == NULL)
        return 0;
    int found = fscanf(file, "%15s", word) == 1 && strcmp(word, what) == 0;
    fclose(file);
    return found;
}

static int no_room(int fd)
{
    char path[4096];
    if (!failing("write") || !watched(fd, path))
        return 0;
    errno = ENOSPC;
    return 1;
}

static int synced(int fd, const char *function)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, function);
    char path[4096];
    struct stat about;
    int counts = watched(fd, path);
    if (!counts && folder_of_watched(path)) {
        pthread_mutex_lock(&turn);
        int result = real(fd);
        if (result == 0)
            forget_what_is_gone(path);
        pthread_mutex_unlock(&turn);
        return result;
    }
    if (!counts || fstat(fd, &about) != 0 || !S_ISREG(about.st_mode))
        return real(fd);
    wait_at_gate();
    if (failing("sync")) {
        errno = EIO;
        return -1;
    }
    pthread_mutex_lock(&turn);
    take_order();
    if (left > 0)
        left--;
    if (left == 0 && before)
        end_now();
    int result = real(fd);
    if (result == 0) {
        copy(path);
        count();
    }
    if (left == 0)
        end_now();
    pthread_mutex_unlock(&turn);
    return result;
}

int fsync(int fd)
{
    return synced(fd, "fsync");
}

int fdatasync(int fd)
{
    return synced(fd, "fdatasync");
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at)
{
    static ssize_t (*real)(int, const void *, size_t, off64_t);
    if (real == NULL)
        real = (ssize_t (*)(int, const void *, size_t, off64_t))dlsym(RTLD_NEXT, "pwrite64");
    return no_room(fd) ? -1 : real(fd, bytes, count, at);
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at)
{
    return pwrite64(fd, bytes, count, at);
}

/* What the time of day is wrong by, in ns. The file is mapped once: clocks are read often. */
static int64_t wrong_by(void)
{
    static const volatile int64_t *ms;
    static int looked;
    if (!looked) {
        const char *path = getenv("XB_SHIM_CLOCK");
        int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
        if (fd >= 0) {
            void *page = mmap(NULL, sizeof *ms, PROT_READ, MAP_SHARED, fd, 0);
            ms = page == MAP_FAILED ? NULL : page;
            close(fd);
        }
        looked = 1;
    }
    return ms ? *ms * 1000000 : 0;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    static int (*real)(clockid_t, struct timespec *);
    if (real == NULL)
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, now);
    int64_t off = result == 0 && clock == CLOCK_REALTIME ? wrong_by() : 0;
    if (off) {
        int64_t at = (int64_t)now->tv_sec * 1000000000 + now->tv_nsec + off;
        now->tv_sec = at / 1000000000;
        now->tv_nsec = at % 1000000000;
    }
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec exact;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &exact) != 0)
        return -1;
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *also)
{
    struct timespec exact;
    if (clock_gettime(CLOCK_REALTIME, &exact) != 0)
        return -1;
    if (also != NULL)
        *also = exact.tv_sec;
    return exact.tv_sec;
}
