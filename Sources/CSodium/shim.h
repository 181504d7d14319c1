// libsodium. Its sizes are macros with casts, which Swift does not import: call the functions
// (crypto_box_sealbytes() and its like) instead.
#include <sodium.h>

#ifdef __linux__
#include <sys/prctl.h>
#include <sys/resource.h>
// prctl is variadic, which Swift does not import either. Guarded memory is one half; that no other program reads it
// out of this process, or finds it in a core file, is the other.
static inline int entente_forbid_dumps(void) {
    const struct rlimit none = {0, 0};
    return setrlimit(RLIMIT_CORE, &none) == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 ? 0 : -1;
}
#endif
