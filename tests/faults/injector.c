/* Counts the calls of a process, and of its children, that change files below one folder, and
 * makes one of them fail or kills the process there. Preloaded: LD_PRELOAD=injector.so.
 *
 * FAULT_PREFIX  the folder, absolute
 * FAULT_STATE   a file of 8 bytes: the counter, shared by all processes
 * FAULT_AT      number of the call that is meant, from 1; 0: none
 * FAULT_ACTION  full: this and every later call fails, the disk is full; once: only this one does;
 *               read_only: as full, with another reason, and files cannot be removed or opened;
 *               kill_before, kill_after: SIGKILL before or after the call
 * FAULT_LOG     a file that gets a line for every call: its number, name and path
 *
 * A full disk lets files be removed and existing ones be opened. The first write that fails is a short one where it can be:
 * half of the bytes are written, as on a real disk. TensorFlow writes through stdio, whose calls
 * inside the C library cannot be replaced; fwrite, fflush and fclose are.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PASS, FAIL, KILL_AFTER };

static const char *prefix;
static const char *action;
static const char *log_path;
static uint64_t at;
static uint64_t *counter;
static int is_read_only;

__attribute__((constructor)) static void start(void) {
  const char *state = getenv("FAULT_STATE");
  prefix = getenv("FAULT_PREFIX");
  action = getenv("FAULT_ACTION");
  log_path = getenv("FAULT_LOG");
  at = getenv("FAULT_AT") ? strtoull(getenv("FAULT_AT"), NULL, 10) : 0;
  if (!prefix || !state || !action) return;
  is_read_only = !strcmp(action, "read_only");
  int file = syscall(SYS_openat, AT_FDCWD, state, O_RDWR | O_CLOEXEC);
  if (file < 0) return;
  void *page = mmap(NULL, sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (page != MAP_FAILED) counter = page;
  syscall(SYS_close, file);
}

static int is_below(const char *path) {
  size_t length = strlen(prefix);
  return strncmp(path, prefix, length) == 0 && (path[length] == '/' || path[length] == 0);
}

static void note(uint64_t number, const char *name, const char *path) {
  char line[PATH_MAX + 64];
  int length = snprintf(line, sizeof line, "%llu %s %s\n", (unsigned long long)number, name, path);
  int file = syscall(SYS_openat, AT_FDCWD, log_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  if (file < 0) return;
  if (syscall(SYS_write, file, line, length) != length) abort();
  syscall(SYS_close, file);
}

/* Counts a call on an absolute path and says what becomes of it. */
static int fate(const char *name, const char *path, int may_fail) {
  if (!counter || !is_below(path)) return PASS;
  uint64_t number = __atomic_add_fetch(counter, 1, __ATOMIC_SEQ_CST);
  if (log_path) note(number, name, path);
  if (!at || number < at) return PASS;
  if (is_read_only) return FAIL;
  if (!strcmp(action, "full")) return may_fail ? FAIL : PASS;
  if (number > at) return PASS;
  if (!strcmp(action, "once")) return may_fail ? FAIL : PASS;
  if (!strcmp(action, "kill_before")) kill(getpid(), SIGKILL);
  return !strcmp(action, "kill_after") ? KILL_AFTER : PASS;
}

static int fate_at(const char *name, int folder, const char *path, int may_fail) {
  char full[2 * PATH_MAX];
  if (!counter || !path) return PASS;
  if (path[0] == '/') return fate(name, path, may_fail);
  char link[64];
  snprintf(link, sizeof link, folder == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", folder);
  ssize_t length = readlink(link, full, PATH_MAX);
  if (length < 0) return PASS;
  snprintf(full + length, PATH_MAX, "/%s", path);
  return fate(name, full, may_fail);
}

static int fate_of_file(const char *name, int file) {
  char link[64], path[PATH_MAX];
  if (!counter) return PASS;
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return PASS;
  path[length] = 0;
  return fate(name, path, 1);
}

#define REAL(name) ((__typeof__(&name))real(#name))

static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

static int full(void) {
  errno = is_read_only ? EROFS : ENOSPC;
  return -1;
}

static void end(int what) {
  if (what == KILL_AFTER) kill(getpid(), SIGKILL);
}

/* Calls `call` unless it is to fail. */
#define GUARDED(type, what, call) \
  do {                            \
    int fate_ = (what);           \
    if (fate_ == FAIL) return full(); \
    type result_ = (call);        \
    int error_ = errno;           \
    end(fate_);                   \
    errno = error_;               \
    return result_;               \
  } while (0)

static int writes(int flags) {
  return (flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC));
}

#define OPEN(name, folder_parameter, folder, call)                    \
  int name(folder_parameter const char *path, int flags, ...) {       \
    va_list rest;                                                     \
    va_start(rest, flags);                                            \
    mode_t mode = va_arg(rest, mode_t);                               \
    va_end(rest);                                                     \
    int is_new = syscall(SYS_faccessat, folder, path, F_OK) != 0;     \
    int what = writes(flags) ? fate_at("open", folder, path, is_new) : PASS; \
    GUARDED(int, what, call);                                         \
  }
OPEN(open, , AT_FDCWD, REAL(open)(path, flags, mode))
OPEN(open64, , AT_FDCWD, REAL(open64)(path, flags, mode))
#define FOLDER int folder,
OPEN(openat, FOLDER, folder, REAL(openat)(folder, path, flags, mode))
OPEN(openat64, FOLDER, folder, REAL(openat64)(folder, path, flags, mode))

int creat(const char *path, mode_t mode) {
  return open(path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

/* Of the write that meets a full disk first, half gets through. */
#define WRITE(name, parameters, file, half, all)    \
  ssize_t name parameters {                         \
    int what = fate_of_file("write", file);         \
    if (what == FAIL) {                             \
      static int cut;                               \
      if (!__atomic_exchange_n(&cut, 1, __ATOMIC_SEQ_CST) && count > 1) return half; \
      return full();                                \
    }                                               \
    GUARDED(ssize_t, what, all);                    \
  }
WRITE(write, (int file, const void *data, size_t count), file,
      REAL(write)(file, data, count / 2), REAL(write)(file, data, count))
WRITE(pwrite, (int file, const void *data, size_t count, off_t offset), file,
      REAL(pwrite)(file, data, count / 2, offset), REAL(pwrite)(file, data, count, offset))
WRITE(pwrite64, (int file, const void *data, size_t count, off64_t offset), file,
      REAL(pwrite64)(file, data, count / 2, offset), REAL(pwrite64)(file, data, count, offset))
WRITE(writev, (int file, const struct iovec *parts, int count), file,
      REAL(writev)(file, parts, count / 2), REAL(writev)(file, parts, count))
WRITE(sendfile, (int file, int from, off_t *offset, size_t count), file,
      REAL(sendfile)(file, from, offset, count / 2), REAL(sendfile)(file, from, offset, count))
WRITE(sendfile64, (int file, int from, off64_t *offset, size_t count), file,
      REAL(sendfile64)(file, from, offset, count / 2), REAL(sendfile64)(file, from, offset, count))
WRITE(copy_file_range,
      (int from, off64_t *a, int file, off64_t *b, size_t count, unsigned int flags), file,
      REAL(copy_file_range)(from, a, file, b, count / 2, flags),
      REAL(copy_file_range)(from, a, file, b, count, flags))

int fsync(int file) { GUARDED(int, fate_of_file("fsync", file), REAL(fsync)(file)); }
int fdatasync(int file) { GUARDED(int, fate_of_file("fsync", file), REAL(fdatasync)(file)); }
int ftruncate(int file, off_t size) {
  GUARDED(int, fate_of_file("truncate", file), REAL(ftruncate)(file, size));
}
int ftruncate64(int file, off64_t size) {
  GUARDED(int, fate_of_file("truncate", file), REAL(ftruncate64)(file, size));
}
int rename(const char *from, const char *to) {
  GUARDED(int, fate_at("rename", AT_FDCWD, to, 1), REAL(rename)(from, to));
}
int renameat(int a, const char *from, int b, const char *to) {
  GUARDED(int, fate_at("rename", b, to, 1), REAL(renameat)(a, from, b, to));
}
int mkdir(const char *path, mode_t mode) {
  GUARDED(int, fate_at("mkdir", AT_FDCWD, path, 1), REAL(mkdir)(path, mode));
}
int mkdirat(int folder, const char *path, mode_t mode) {
  GUARDED(int, fate_at("mkdir", folder, path, 1), REAL(mkdirat)(folder, path, mode));
}
int unlink(const char *path) {
  GUARDED(int, fate_at("unlink", AT_FDCWD, path, 0), REAL(unlink)(path));
}
int unlinkat(int folder, const char *path, int flags) {
  GUARDED(int, fate_at("unlink", folder, path, 0), REAL(unlinkat)(folder, path, flags));
}
int rmdir(const char *path) {
  GUARDED(int, fate_at("rmdir", AT_FDCWD, path, 0), REAL(rmdir)(path));
}

#define FOPEN(name)                                                                        \
  FILE *name(const char *path, const char *mode) {                                         \
    int is_new = access(path, F_OK) != 0;                                                  \
    int what = strpbrk(mode, "wa+") ? fate_at("fopen", AT_FDCWD, path, is_new) : PASS;      \
    if (what == FAIL) {                                                                    \
      full();                                                                              \
      return NULL;                                                                         \
    }                                                                                      \
    FILE *file = REAL(name)(path, mode);                                                   \
    int error = errno;                                                                     \
    end(what);                                                                             \
    errno = error;                                                                         \
    return file;                                                                           \
  }
FOPEN(fopen)
FOPEN(fopen64)

static size_t write_stream(const void *data, size_t size, size_t count, FILE *file,
                           __typeof__(&fwrite) real_write) {
  int what = fate_of_file("fwrite", fileno(file));
  if (what == FAIL) {
    full();
    return 0;
  }
  size_t written = real_write(data, size, count, file);
  end(what);
  return written;
}

#undef fwrite
#undef fwrite_unlocked
size_t fwrite(const void *data, size_t size, size_t count, FILE *file) {
  return write_stream(data, size, count, file, REAL(fwrite));
}
size_t fwrite_unlocked(const void *data, size_t size, size_t count, FILE *file) {
  return write_stream(data, size, count, file, REAL(fwrite_unlocked));
}

/* What is still in the buffer of a stream is lost where it cannot be written. */
int fflush(FILE *file) {
  int what = file && __fpending(file) ? fate_of_file("fflush", fileno(file)) : PASS;
  if (what == FAIL) {
    __fpurge(file);
    return full();
  }
  int result = REAL(fflush)(file);
  end(what);
  return result;
}

int fclose(FILE *file) {
  int what = __fpending(file) ? fate_of_file("fclose", fileno(file)) : PASS;
  if (what == FAIL) {
    __fpurge(file);
    REAL(fclose)(file);
    return full();
  }
  int result = REAL(fclose)(file);
  end(what);
  return result;
}
