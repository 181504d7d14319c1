import Glibc
import Home
import NodeService
import Synchronization

/// Ctrl-C: the process ends at once with 130. What was committed stays, what was not is not there: nothing has to be
/// cleaned up that a crash would not leave as well.
enum Interruption {
    static func exitsWith130() {
        signal(SIGINT) { _ in
            // Only what is safe in a signal handler. On a terminal the line begins below the progress bar.
            let text: StaticString = "\nentente: interrupted; what was committed stays\n"
            var status = stat()
            let isTerminal = fstat(STDERR_FILENO, &status) == 0 && status.st_mode & S_IFMT == S_IFCHR
            let skipped = isTerminal ? 0 : 1
            Interruption.removeUnfinished()
            write(STDERR_FILENO, text.utf8Start + skipped, text.utf8CodeUnitCount - skipped)
            _exit(130)
        }
    }

    /// The addresses of the names of a file that is being written, and of its journal.
    private static let unfinished = Atomic<UInt>(0)
    private static let journal = Atomic<UInt>(0)

    /// From now on Ctrl-C, and being told to end, take this file away: what would be left of it is of no use.
    static func removes(_ path: String) {
        journal.store(UInt(bitPattern: strdup(PartialFile.journal(of: path))), ordering: .releasing)
        unfinished.store(UInt(bitPattern: strdup(path)), ordering: .releasing)
        signal(SIGTERM) { number in
            Interruption.removeUnfinished()
            _exit(128 + number)
        }
    }

    /// What was being written is whole, or gone.
    static func keepsAll() {
        unfinished.store(0, ordering: .releasing)
        journal.store(0, ordering: .releasing)
    }

    private static func removeUnfinished() {
        if let name = UnsafePointer<CChar>(bitPattern: unfinished.load(ordering: .acquiring)) { unlink(name) }
        if let name = UnsafePointer<CChar>(bitPattern: journal.load(ordering: .acquiring)) { unlink(name) }
    }
}

/// How far the logs of one transfer are, together.
final class Targets: Sendable {
    private let logs = Mutex<[String: (begin: UInt64, held: UInt64, target: UInt64)]>([:])

    func take(_ progress: SyncProgress) -> (done: UInt64, total: UInt64) {
        logs.withLock { logs in
            switch progress {
            case .began(let origin, let held, let target): logs[origin] = (held, held, target)
            case .committed(let origin, let held): logs[origin]?.held = held
            }
            return logs.values.reduce((0, 0)) { sum, log in
                (sum.0 + log.held - log.begin, sum.1 + log.target - log.begin)
            }
        }
    }
}
