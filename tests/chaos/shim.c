/* Preloaded into the program: counts its system calls over all threads, and at one of them kills it or lets it fail.

   Calls that nobody outside could tell from their absence don't count: with which one thread wakes another, and those
   that look for answers without waiting for one. Besides, nothing is counted until `chaos_arm` is called, nor in children, which have another process id. What was counted, and
   at what the process was struck, is kept in a mapped file, which outlives it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* The functions below are declared with other names by <fcntl.h> and <poll.h> where those are macros. */
#undef open
#undef fcntl

enum kind { WRITE, PWRITE, FSYNC, FDATASYNC, TRUNCATE, OPEN, RENAME, LINK, UNLINK, MKDIR, LOCK, CONNECT, SEND, WAIT, KINDS };
static const char *const NAMES[KINDS] = {"write", "pwrite", "fsync", "fdatasync", "truncate", "open", "rename",
                                         "link", "unlink", "mkdir", "lock", "connect", "send", "wait"};
enum how { COUNT, BEFORE, AFTER, TORN, STOP, ERROR, ERRORS };

/* What tests/chaos/shim.py reads. */
struct report {
    int64_t total, struck, kind;
    int64_t counts[KINDS];
    char what[256];
};

static struct report *report;
static pid_t armed;
static int64_t at;
static enum how how;
static int failure;
static uint64_t wanted;
static int files_only;

int chaos_kinds(void) { return KINDS; }
const char *chaos_name(int kind) { return NAMES[kind]; }

/* 0, or -1 if the report can't be kept at `path`. The process is struck at the `number`th call of the kinds in
   `kinds` (bits), of those on files only if asked so: killed before it, after it, after half of it is written; stopped
   before it; or by it and, with ERRORS, all after it failing with the errno `error`. */
int chaos_arm(const char *path, int64_t number, int manner, int error, uint64_t kinds, int on_files) {
    int fd = syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || syscall(SYS_ftruncate, fd, sizeof *report) != 0) return -1;
    void *where = mmap(NULL, sizeof *report, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    syscall(SYS_close, fd);
    if (where == MAP_FAILED) return -1;
    report = where;
    at = number, how = manner, failure = error, wanted = kinds, files_only = on_files;
    armed = getpid();
    return 0;
}

static void die(void) {
    syscall(SYS_kill, getpid(), SIGKILL);
    for (;;) pause();
}

static void describe(int fd, const char *path) {
    char place[32];
    if (path != NULL) {
        strncpy(report->what, path, sizeof report->what - 1);
    } else if (fd >= 0) {
        snprintf(place, sizeof place, "/proc/self/fd/%d", fd);
        syscall(SYS_readlinkat, AT_FDCWD, place, report->what, sizeof report->what - 1);
    }
}

static int is_on_file(int fd, const char *path) {
    struct stat found;
    return path != NULL || (fd >= 0 && fstat(fd, &found) == 0 && (S_ISREG(found.st_mode) || S_ISDIR(found.st_mode)));
}

/* Whether only this very process reads what is written there. */
static int is_own(int fd) {
    static const char EVENTS[] = "anon_inode:[eventfd]";
    char place[32], target[sizeof EVENTS];
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0) return peer.pid == getpid();
    snprintf(place, sizeof place, "/proc/self/fd/%d", fd);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, place, target, sizeof target);
    return length == sizeof EVENTS - 1 && memcmp(target, EVENTS, length) == 0;
}

/* What is to become of this call; COUNT if it just goes on. */
static enum how meet(enum kind kind, int fd, const char *path) {
    if (armed == 0 || armed != getpid()) return COUNT;
    int saved = errno;
    enum how fate = COUNT;
    if ((wanted >> kind & 1) && (!files_only || is_on_file(fd, path)) &&
        !((kind == WRITE || kind == SEND) && is_own(fd))) {
        int64_t number = atomic_fetch_add((_Atomic int64_t *)&report->total, 1) + 1;
        atomic_fetch_add((_Atomic int64_t *)&report->counts[kind], 1);
        if (number == at || (how == ERRORS && number > at && at > 0)) fate = how;
        if (number == at) {
            report->kind = kind;
            describe(fd, path);
            report->struck = 1;
        }
    }
    if (fate == BEFORE) die();
    if (fate == STOP) {
        fate = COUNT;
        syscall(SYS_kill, getpid(), SIGSTOP);
    }
    errno = saved;
    return fate;
}

#define REAL(name)                                                                                                     \
    static __typeof__(name) *real;                                                                                     \
    if (real == NULL) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)
#define CALL(kind, result, name, parameters, arguments, fd, path)                                                      \
    result name parameters {                                                                                           \
        REAL(name);                                                                                                    \
        enum how fate = meet(kind, fd, path);                                                                          \
        if (fate >= ERROR) return errno = failure, -1;                                                                 \
        result found = real arguments;                                                                                 \
        if (fate != COUNT) die();                                                                                      \
        return found;                                                                                                  \
    }
/* Those that a torn call writes half of. */
#define DATA(kind, name, parameters, arguments)                                                                        \
    ssize_t name parameters {                                                                                          \
        REAL(name);                                                                                                    \
        enum how fate = meet(kind, fd, NULL);                                                                          \
        if (fate >= ERROR) return errno = failure, -1;                                                                 \
        if (fate == TORN) n /= 2;                                                                                      \
        ssize_t found = real arguments;                                                                                \
        if (fate != COUNT) die();                                                                                      \
        return found;                                                                                                  \
    }

DATA(WRITE, write, (int fd, const void *data, size_t n), (fd, data, n))
DATA(PWRITE, pwrite, (int fd, const void *data, size_t n, off_t from), (fd, data, n, from))
DATA(PWRITE, pwrite64, (int fd, const void *data, size_t n, off64_t from), (fd, data, n, from))
DATA(SEND, send, (int fd, const void *data, size_t n, int flags), (fd, data, n, flags))
DATA(SEND, sendto, (int fd, const void *data, size_t n, int flags, const struct sockaddr *to, socklen_t size),
     (fd, data, n, flags, to, size))
CALL(WRITE, ssize_t, writev, (int fd, const struct iovec *parts, int n), (fd, parts, n), fd, NULL)
CALL(PWRITE, ssize_t, pwritev, (int fd, const struct iovec *parts, int n, off_t from), (fd, parts, n, from), fd, NULL)
CALL(SEND, ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), (fd, message, flags), fd, NULL)
CALL(SEND, int, sendmmsg, (int fd, struct mmsghdr *messages, unsigned n, int flags), (fd, messages, n, flags), fd, NULL)
CALL(SEND, ssize_t, sendfile, (int fd, int from, off_t *start, size_t n), (fd, from, start, n), fd, NULL)
CALL(SEND, ssize_t, sendfile64, (int fd, int from, off64_t *start, size_t n), (fd, from, start, n), fd, NULL)
CALL(FSYNC, int, fsync, (int fd), (fd), fd, NULL)
CALL(FDATASYNC, int, fdatasync, (int fd), (fd), fd, NULL)
CALL(TRUNCATE, int, ftruncate, (int fd, off_t size), (fd, size), fd, NULL)
CALL(TRUNCATE, int, ftruncate64, (int fd, off64_t size), (fd, size), fd, NULL)
CALL(TRUNCATE, int, truncate, (const char *path, off_t size), (path, size), -1, path)
CALL(RENAME, int, rename, (const char *from, const char *to), (from, to), -1, to)
CALL(RENAME, int, renameat, (int a, const char *from, int b, const char *to), (a, from, b, to), -1, to)
CALL(RENAME, int, renameat2, (int a, const char *from, int b, const char *to, unsigned flags), (a, from, b, to, flags), -1, to)
CALL(LINK, int, link, (const char *from, const char *to), (from, to), -1, to)
CALL(LINK, int, linkat, (int a, const char *from, int b, const char *to, int flags), (a, from, b, to, flags), -1, to)
CALL(LINK, int, symlink, (const char *from, const char *to), (from, to), -1, to)
CALL(UNLINK, int, unlink, (const char *path), (path), -1, path)
CALL(UNLINK, int, unlinkat, (int at_fd, const char *path, int flags), (at_fd, path, flags), -1, path)
CALL(UNLINK, int, rmdir, (const char *path), (path), -1, path)
CALL(MKDIR, int, mkdir, (const char *path, mode_t mode), (path, mode), -1, path)
CALL(MKDIR, int, mkdirat, (int at_fd, const char *path, mode_t mode), (at_fd, path, mode), -1, path)
CALL(LOCK, int, flock, (int fd, int operation), (fd, operation), fd, NULL)
CALL(CONNECT, int, connect, (int fd, const struct sockaddr *to, socklen_t size), (fd, to, size), fd, NULL)

#define WAITING(name, parameters, arguments, is_waiting)                                                               \
    int name parameters {                                                                                              \
        REAL(name);                                                                                                    \
        enum how fate = (is_waiting) ? meet(WAIT, -1, NULL) : COUNT;                                                   \
        int found = real arguments;                                                                                    \
        if (fate != COUNT) die();                                                                                      \
        return found;                                                                                                  \
    }
int __poll_chk(struct pollfd *, nfds_t, int, size_t);
WAITING(poll, (struct pollfd *fds, nfds_t n, int timeout), (fds, n, timeout), timeout != 0)
WAITING(__poll_chk, (struct pollfd *fds, nfds_t n, int timeout, size_t size), (fds, n, timeout, size), timeout != 0)
WAITING(ppoll, (struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask),
        (fds, n, timeout, mask), timeout == NULL || timeout->tv_sec != 0 || timeout->tv_nsec != 0)
WAITING(select, (int n, fd_set *in, fd_set *out, fd_set *other, struct timeval *timeout),
        (n, in, out, other, timeout), timeout == NULL || timeout->tv_sec != 0 || timeout->tv_usec != 0)
WAITING(epoll_wait, (int fd, struct epoll_event *events, int n, int timeout), (fd, events, n, timeout), timeout != 0)
WAITING(epoll_pwait, (int fd, struct epoll_event *events, int n, int timeout, const sigset_t *mask),
        (fd, events, n, timeout, mask), timeout != 0)

/* Only what may make a file, and only what locks one. */
static int is_making(int flags) { return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE; }
static int is_locking(int command) {
    return command == F_SETLK || command == F_SETLKW || command == F_OFD_SETLK || command == F_OFD_SETLKW;
}

#define OPENING(name, parameters, arguments)                                                                           \
    int name parameters {                                                                                              \
        mode_t mode = 0;                                                                                               \
        if (is_making(flags)) {                                                                                        \
            va_list rest;                                                                                              \
            va_start(rest, flags);                                                                                     \
            mode = va_arg(rest, mode_t);                                                                               \
            va_end(rest);                                                                                              \
        }                                                                                                              \
        REAL(name);                                                                                                    \
        enum how fate = is_making(flags) ? meet(OPEN, -1, path) : COUNT;                                               \
        if (fate >= ERROR) return errno = failure, -1;                                                                 \
        int found = real arguments;                                                                                    \
        if (fate != COUNT) die();                                                                                      \
        return found;                                                                                                  \
    }
OPENING(open, (const char *path, int flags, ...), (path, flags, mode))
OPENING(open64, (const char *path, int flags, ...), (path, flags, mode))
OPENING(openat, (int at_fd, const char *path, int flags, ...), (at_fd, path, flags, mode))
OPENING(openat64, (int at_fd, const char *path, int flags, ...), (at_fd, path, flags, mode))

#define LOCKING(name)                                                                                                  \
    int name(int fd, int command, ...) {                                                                               \
        va_list rest;                                                                                                  \
        va_start(rest, command);                                                                                       \
        void *argument = va_arg(rest, void *);                                                                         \
        va_end(rest);                                                                                                  \
        REAL(name);                                                                                                    \
        enum how fate = is_locking(command) ? meet(LOCK, fd, NULL) : COUNT;                                            \
        if (fate >= ERROR) return errno = failure, -1;                                                                 \
        int found = real(fd, command, argument);                                                                       \
        if (fate != COUNT) die();                                                                                      \
        return found;                                                                                                  \
    }
LOCKING(fcntl)
LOCKING(fcntl64)
