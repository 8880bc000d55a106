/*
 * What starts both commands: Python, from a file that nobody inside a container can write.
 *
 *     minicontainer, minicontainer-runtime        (this program, under two names, beside python3)
 *       │ open_tree(python3, CLONE), read-only    a mount of that one file, attached nowhere
 *       │   or a memfd with a copy, sealed        where the kernel or the user may not do that
 *       └ execveat(that) -SI -X utf8 -c BOOT PREFIX NAME ARGUMENTS...
 *
 * A container's first process is a copy of ours until its execve, and so are the processes of exec:
 * through /proc/self/exe a program that the image chose can be made to run, and to open, the file
 * that we run from.  runc's binary on the host was overwritten that way (CVE-2019-5736).  From here
 * that file is on a read-only mount which is in no mount namespace, so that no container can
 * change the mount either: opening it for writing gives EROFS (or EPERM, where it is sealed).
 *
 * It also waits for a monitor that has nothing to do (engine/rest.py), in a hundredth of the memory:
 *
 *     minicontainer-monitor ID STATE MILLISECONDS FD:EVENTS...
 *       │ poll(2)                                 until a descriptor is ready, or the time is over
 *       └ execveat, as above                      the same process goes on with its session
 *
 * -S leaves out the site module, a third of Python's start; BOOT puts in the one folder it would have.
 * Texts are UTF-8 whatever the locale, which then need not be loaded.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/mount.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_open_tree
#define SYS_open_tree 428
#endif
#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif
#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1
#endif
#ifndef MOUNT_ATTR_RDONLY
#define MOUNT_ATTR_RDONLY 1
#endif
#ifndef MFD_EXEC
#define MFD_EXEC 0x10U
#endif

/* An editable install keeps the folder of the source in a .pth file, which is site's to read. */
static const char BOOT[] =
    "import sys\n"
    "folder = '%s/lib/python%d.%d/site-packages' % (sys.argv[1], *sys.version_info[:2])\n"
    "sys.path.append(folder)\n"
    "try:\n"
    "    with open(folder + '/_minicontainer.pth') as file: sys.path.append(file.readline().strip())\n"
    "except FileNotFoundError: folder = None\n"
    "name = sys.argv[2]\n"
    "sys.argv[:3] = [name]\n"
    "try: from minicontainer import loader\n"
    "except ModuleNotFoundError:\n"
    "    import site; site.main()\n"
    "    from minicontainer import loader\n"
    "loader.install()\n"
    "if name == 'minicontainer-runtime': from minicontainer.runtime.main import main\n"
    "elif name == 'minicontainer-monitor': from minicontainer.engine.rest import main\n"
    "else: from minicontainer.cli.main import main\n"
    "main()\n";

static const char MONITOR[] = "minicontainer-monitor";
static char **resting; /* the words of a monitor that rests */

static void fail(const char *what, const char *path)
{
    if (resting) { /* its container lives as long as it does: somebody may be replacing Python just now */
        sleep(1);
        execv("/proc/self/exe", resting);
    }
    fprintf(stderr, "minicontainer: %s %s: %s\n", what, path, strerror(errno));
    exit(125);
}

/* The file on a read-only mount of its own, or -1.  Needs CAP_SYS_ADMIN and Linux 5.12. */
static int read_only_mount(const char *path)
{
    struct { uint64_t set, clear, propagation, userns; } attributes = { .set = MOUNT_ATTR_RDONLY };
    int fd = syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | O_CLOEXEC);
    if (fd >= 0 && syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &attributes, sizeof attributes) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

/* A copy in memory that cannot be changed (memfd_create(2), fcntl(2) File Sealing), or -1. */
static int sealed_copy(int file)
{
    struct stat status;
    int fd = memfd_create("python", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
    if (fd < 0 && errno == EINVAL) /* MFD_EXEC is Linux 6.3's */
        fd = memfd_create("python", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || fstat(file, &status) != 0)
        return -1;
    for (off_t left = status.st_size; left > 0;) {
        ssize_t copied = sendfile(fd, file, NULL, left);
        if (copied <= 0)
            return -1;
        left -= copied;
    }
    return fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) == 0 ? fd : -1;
}

/* What to execute.  Who may not write the file needs no protection from what runs as he does. */
static int protect(const char *path)
{
    int fd = read_only_mount(path);
    if (fd >= 0)
        return fd;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        fail("open", path);
    if (geteuid() != 0 && faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) != 0)
        return file;
    fd = sealed_copy(file);
    if (fd < 0)
        fail("seal a copy of", path);
    close(file);
    return fd;
}

/* What is ready is looked at again by Python: it matters only that something is. */
static void rest(int count, char **words)
{
    struct pollfd *fds = calloc(count, sizeof *fds);
    for (int i = 0; fds && i < count - 4; i++) {
        char *end;
        fds[i].fd = strtol(words[i + 4], &end, 10);
        fds[i].events = strtol(end + (*end == ':'), NULL, 10);
    }
    if (fds)
        poll(fds, count - 4, atoi(words[3]));
    resting = words;
}

int main(int argc, char **argv, char **environment)
{
    if (argc > 4 && strcmp(argv[0], MONITOR) == 0)
        rest(argc, argv);
    char self[PATH_MAX], python[PATH_MAX + 16], option[PATH_MAX + 16];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length < 0)
        fail("readlink", "/proc/self/exe");
    self[length] = 0;
    char *name = strrchr(self, '/');
    snprintf(option, sizeof option, "launcher=%s", self); /* where sys._xoptions has it */
    *name++ = 0; /* self: the folder; name: which of the two commands */
    if (resting)
        name = (char *)MONITOR;
    snprintf(python, sizeof python, "%s/python3", self);
    if (access(python, X_OK) != 0)
        snprintf(python, sizeof python, "%s", PYTHON);
    char *slash = strrchr(self, '/');
    if (slash)
        *slash = 0; /* self: PREFIX */

    char *first[] = { python, "-SI", "-X", "utf8", "-X", option, "-c", (char *)BOOT, self, name };
    size_t count = sizeof first / sizeof *first;
    char **words = calloc(argc + count, sizeof *words);
    if (!words)
        fail("calloc", "");
    memcpy(words, first, sizeof first);
    memcpy(words + count, argv + (argc > 0), (argc > 0 ? argc : 1) * sizeof *words);
    int fd = protect(python);
    syscall(SYS_execveat, fd, "", words, environment, AT_EMPTY_PATH);
    fail("execute", python);
}
