/* Makes system calls, and says what the kernel answered.

   calls WORD...    WORD is NUMBER[:ARGUMENT...], each a C number; a line of its result for each:
                    what was returned, or minus the errno.  With "i" in front, as a 32-bit program
                    makes it (int 0x80, x86-64 only; one argument at most).  "_" is a pointer to zeros.

   Static, and without more of a C library than must be: what it needs to start is what a profile in
   a test has to allow. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char zeros[4096];

static long word(char **at)
{
    if (**at == ':')
        ++*at;
    if (**at == '_') {
        ++*at;
        return (long)zeros;
    }
    return (long)strtoull(*at, at, 0);
}

static long call_32(long number, long argument)
{
#ifdef __x86_64__
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(argument) : "memory", "r8", "r9", "r10", "r11");
    return (int)result;
#else
    (void)number, (void)argument;
    return -ENOSYS;
#endif
}

int main(int count, char **words)
{
    char line[64];
    for (int i = 1; i < count; i++) {
        char *at = words[i];
        int old = *at == 'i';
        at += old;
        long number = word(&at), a[6] = {0};
        for (int n = 0; n < 6 && *at; n++)
            a[n] = word(&at);
        long result = old ? call_32(number, a[0]) : syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
        if (!old && result == -1)
            result = -errno;
        int length = snprintf(line, sizeof line, "%ld\n", result);
        if (write(1, line, length) != length)
            return 1;
    }
    return 0;
}
