import CSodium
import Glibc
import Synchronization

/// This process's memory, in which keys and opened fields are.
public enum ProcessMemory {
    /// From here on no core file is written of this process, no report of a crash either, and no other program of the
    /// same user can read its memory or attach to it. Answers whether the system has agreed.
    public static func forbidDumps() -> Bool {
        let isWithoutReports = entente_forbid_crash_reports() == 0
        return entente_forbid_dumps() == 0 && isWithoutReports
    }

    private static let isLockRefused = Atomic(false)

    /// Whether the system has refused to lock a secret of this process into memory, mostly for a small
    /// `RLIMIT_MEMLOCK`: it may be written to the swap space then.
    public static var hasUnlockedSecrets: Bool { isLockRefused.load(ordering: .relaxed) }

    /// libsodium locks what it allocates and does not say where that fails; what is locked can be locked again.
    static func checkLock(of pointer: UnsafeMutableRawPointer, count: Int) {
        guard !hasUnlockedSecrets, mlock(pointer, count) != 0 else { return }
        isLockRefused.store(true, ordering: .relaxed)
    }
}
