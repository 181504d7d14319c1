import CSodium

/// This process's memory, in which keys and opened fields are.
public enum ProcessMemory {
    /// From here on no core file is written of this process, and no other program of the same user can read its
    /// memory or attach to it. Answers whether the system has agreed.
    public static func forbidDumps() -> Bool {
        entente_forbid_dumps() == 0
    }
}
