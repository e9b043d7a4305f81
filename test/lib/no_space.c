/* A full disk, preloaded by test/t/faults_disk.py: what would make a file below the
 * folder NO_SPACE_UNDER longer fails with ENOSPC once the room is used up. The room, in
 * bytes, is the integer that the file NO_SPACE_ROOM consists of; all processes share it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static _Atomic int64_t *room;
static char *under;

__attribute__((constructor)) static void begin(void)
{
    const char *file = getenv("NO_SPACE_ROOM");
    int fd = file != NULL ? open(file, O_RDWR | O_CLOEXEC) : -1;

    if (fd < 0)
        return;
    under = strdup(getenv("NO_SPACE_UNDER")); /* the server writes over its environment */
    void *map = mmap(NULL, sizeof(*room), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    room = map == MAP_FAILED ? NULL : map;
}

/* Whether a file may be as long as that; takes the room that it needs for it. */
static int has_room(int fd, off_t length)
{
    char link[64], path[PATH_MAX];
    struct stat file;

    if (room == NULL || fstat(fd, &file) != 0 || !S_ISREG(file.st_mode) || length <= file.st_size)
        return 1;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t got = readlink(link, path, sizeof(path) - 1);
    if (got < 0 || strncmp(path, under, strlen(under)) != 0)
        return 1;
    int64_t more = length - file.st_size;
    if ((*room -= more) >= 0)
        return 1;
    *room += more;
    errno = ENOSPC;
    return 0;
}

static off_t sum(const struct iovec *parts, int count)
{
    size_t size = 0;
    for (int i = 0; i < count; i++)
        size += parts[i].iov_len;
    return (off_t)size;
}

/* Defines a function of the C library anew: it fails if a file would be too long. */
#define GUARD(type, name, parameters, arguments, length, failure)   \
    type name parameters                                             \
    {                                                                \
        static type (*real) parameters;                              \
        if (real == NULL)                                            \
            *(void **)&real = dlsym(RTLD_NEXT, #name);               \
        return has_room(fd, length) ? real arguments : (failure);    \
    }

GUARD(ssize_t, write, (int fd, const void *data, size_t size), (fd, data, size),
      lseek(fd, 0, SEEK_CUR) + (off_t)size, -1)
GUARD(ssize_t, pwrite, (int fd, const void *data, size_t size, off_t at), (fd, data, size, at), at + (off_t)size, -1)
GUARD(ssize_t, pwrite64, (int fd, const void *data, size_t size, off64_t at), (fd, data, size, at),
      at + (off_t)size, -1)
GUARD(ssize_t, pwritev, (int fd, const struct iovec *parts, int count, off_t at), (fd, parts, count, at),
      at + sum(parts, count), -1)
GUARD(ssize_t, pwritev64, (int fd, const struct iovec *parts, int count, off64_t at), (fd, parts, count, at),
      at + sum(parts, count), -1)
GUARD(int, posix_fallocate, (int fd, off_t at, off_t size), (fd, at, size), at + size, ENOSPC)
GUARD(int, posix_fallocate64, (int fd, off64_t at, off64_t size), (fd, at, size), at + size, ENOSPC)
