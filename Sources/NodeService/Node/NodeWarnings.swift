import Cryptography
import MutualTLS

/// What is wrong with a node while it runs and is no alarm: it works, and less is promised than could be.
enum NodeWarnings {
    /// Of this process.
    static var now: [String] {
        ProcessMemory.hasUnlockedSecrets || SecureHeap.isUnlocked
            ? [
                "keys could not be locked in memory and may be written to the swap space: raise the limit (`ulimit -l`, "
                    + "or LimitMEMLOCK= of the service) and start `entente run` again"
            ] : []
    }
}

extension Node {
    /// What the running node of this home says of itself; nothing where none is running.
    public func warningsOfRunningNode() -> [String] { AgentKeys.warnings(of: home) }
}
