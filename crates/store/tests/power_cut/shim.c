/* Preloaded into a process, writes down in order what it does to the files of one folder, so that the test can make of it what a
 * disk may hold after a power cut.
 *
 * POWER_CUT_DIR is the folder, POWER_CUT_JOURNAL the file written to. A record: op, length of the path, offset, length of the data
 * (8 bytes each, as the machine has them), path, data. One lock is held over call and record: the order is that of the journal. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { WRITE = 1, TRUNCATE, SYNC, CREATE, UNLINK, RENAME };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int journal = -1;
static const char *folder;

static void put(const void *data, size_t n) {
  const char *at = data;
  while (n > 0) {
    long done = syscall(SYS_write, journal, at, n);
    if (done <= 0) _exit(99);
    at += done, n -= done;
  }
}

static int watched(const char *path) {
  if (journal < 0) {
    folder = getenv("POWER_CUT_DIR");
    const char *to = getenv("POWER_CUT_JOURNAL");
    if (!folder || !to) return 0;
    journal = syscall(SYS_openat, AT_FDCWD, to, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  }
  size_t n = strlen(folder);
  return strncmp(path, folder, n) == 0 && (path[n] == '/' || path[n] == 0);
}

static int path_of(int fd, char *path, size_t size) {
  char link[40];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(link, path, size - 1);
  if (n < 0) return 0;
  path[n] = 0;
  return watched(path);
}

static void record(uint64_t op, const char *path, uint64_t offset, const void *data, uint64_t n) {
  uint64_t head[4] = {op, strlen(path), offset, n};
  put(head, sizeof head);
  put(path, head[1]);
  put(data, n);
}

#define NEXT(name) ((typeof(&name))dlsym(RTLD_NEXT, #name))

static int opened(int dir, const char *path, int flags, mode_t mode) {
  struct stat s;
  pthread_mutex_lock(&lock);
  int is_new = (flags & O_CREAT) && dir == AT_FDCWD && watched(path) && stat(path, &s) != 0;
  int fd = syscall(SYS_openat, dir, path, flags, mode);
  if (fd >= 0 && is_new) record(CREATE, path, 0, "", 0);
  if (fd >= 0 && !is_new && (flags & O_TRUNC) && watched(path)) record(TRUNCATE, path, 0, "", 0);
  pthread_mutex_unlock(&lock);
  return fd;
}

#define OPEN(name)                                                      \
  int name(const char *path, int flags, ...) {                          \
    va_list rest;                                                       \
    va_start(rest, flags);                                              \
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
    va_end(rest);                                                       \
    return opened(AT_FDCWD, path, flags, mode);                         \
  }
OPEN(open)
OPEN(open64)

static ssize_t written(int fd, const void *data, size_t n, off_t at) {
  char path[4096];
  pthread_mutex_lock(&lock);
  int is = path_of(fd, path, sizeof path);
  off_t from = at;
  struct stat s;
  if (is && at < 0) from = fcntl(fd, F_GETFL) & O_APPEND && fstat(fd, &s) == 0 ? s.st_size : lseek(fd, 0, SEEK_CUR);
  ssize_t done = at < 0 ? syscall(SYS_write, fd, data, n) : syscall(SYS_pwrite64, fd, data, n, at);
  if (is && done > 0) record(WRITE, path, from, data, done);
  pthread_mutex_unlock(&lock);
  return done;
}

ssize_t write(int fd, const void *data, size_t n) { return written(fd, data, n, -1); }
ssize_t pwrite(int fd, const void *data, size_t n, off_t at) { return written(fd, data, n, at); }
ssize_t pwrite64(int fd, const void *data, size_t n, off_t at) { return written(fd, data, n, at); }

static int truncated(int fd, off_t n) {
  char path[4096];
  pthread_mutex_lock(&lock);
  int done = syscall(SYS_ftruncate, fd, n);
  if (done == 0 && path_of(fd, path, sizeof path)) record(TRUNCATE, path, n, "", 0);
  pthread_mutex_unlock(&lock);
  return done;
}

int ftruncate(int fd, off_t n) { return truncated(fd, n); }
int ftruncate64(int fd, off_t n) { return truncated(fd, n); }

/* The device is not waited for: the journal decides what is on it. */
static int synced(int fd) {
  char path[4096];
  pthread_mutex_lock(&lock);
  if (path_of(fd, path, sizeof path)) record(SYNC, path, 0, "", 0);
  pthread_mutex_unlock(&lock);
  return 0;
}

int fsync(int fd) { return synced(fd); }
int fdatasync(int fd) { return synced(fd); }

int unlink(const char *path) {
  pthread_mutex_lock(&lock);
  int done = NEXT(unlink)(path);
  if (done == 0 && watched(path)) record(UNLINK, path, 0, "", 0);
  pthread_mutex_unlock(&lock);
  return done;
}

int rename(const char *from, const char *to) {
  pthread_mutex_lock(&lock);
  int done = NEXT(rename)(from, to);
  if (done == 0 && watched(from)) record(RENAME, from, 0, to, strlen(to));
  pthread_mutex_unlock(&lock);
  return done;
}
