// libsodium. Its sizes are macros with casts, which Swift does not import: call the functions
// (crypto_box_sealbytes() and its like) instead.
#include <sodium.h>

#ifdef __linux__
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
// prctl is variadic, which Swift does not import either. Guarded memory is one half; that no other program reads it
// out of this process, or finds it in a core file, is the other.
static inline int entente_forbid_dumps(void) {
    const struct rlimit none = {0, 0};
    return setrlimit(RLIMIT_CORE, &none) == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 ? 0 : -1;
}

// The Swift runtime handles these before main begins, whatever its environment says in SWIFT_BACKTRACE where it is told
// to: its report of a crash has the memory that registers point to. What is ignored stays so.
static inline int entente_forbid_crash_reports(void) {
    const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGQUIT};
    int status = 0;
    for (unsigned index = 0; index < sizeof signals / sizeof *signals; ++index) {
        struct sigaction now;
        if (sigaction(signals[index], 0, &now) != 0) { status = -1; continue; }
        if (now.sa_handler == SIG_IGN || now.sa_handler == SIG_DFL) continue;
        if (signal(signals[index], SIG_DFL) == SIG_ERR) status = -1;
    }
    return status;
}
#endif
