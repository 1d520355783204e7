/* launch_activate_socket as launchd's library has it, for a process whose listeners stand in STANDIN_SOCKETS:
 * "name:4,5;other:6". Loaded in front of every other library; nothing of it is left in the environment. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static char *given;

__attribute__((constructor)) static void begin(void) {
    const char *value = getenv("STANDIN_SOCKETS");
    given = value ? strdup(value) : NULL;
    unsetenv("STANDIN_SOCKETS");
    unsetenv("LD_PRELOAD");
}

static const char *entry(const char *name) {
    size_t length = strlen(name);
    for (const char *at = given; at && *at; at = strchr(at, ';') ? strchr(at, ';') + 1 : NULL)
        if (!strncmp(at, name, length) && at[length] == ':') return at + length + 1;
    return NULL;
}

int launch_activate_socket(const char *name, int **fds, size_t *count) {
    static int taken;
    if (!given) return ESRCH;
    const char *at = entry(name);
    if (!at) return ENOENT;
    if (taken++) return EALREADY;
    *fds = malloc(64 * sizeof **fds);
    for (*count = 0; *count < 64; ++*count) {
        char *end;
        long number = strtol(at, &end, 10);
        if (end == at) break;
        (*fds)[*count] = (int)number;
        at = *end == ',' ? end + 1 : end;
        if (*end != ',') { ++*count; break; }
    }
    return 0;
}
