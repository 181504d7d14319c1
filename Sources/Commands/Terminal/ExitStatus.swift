/// The exit statuses of the program: 0, 1 for "the answer is no", and those of sysexits.h.
package enum ExitStatus: Int32, Sendable {
    case done = 0
    case answerIsNo = 1
    case usage = 64
    case badInput = 65
    case noInput = 66
    case unreachable = 69
    case `internal` = 70
    case exists = 73
    case io = 74
    case busy = 75
    case violation = 76
    case notPermitted = 77
    case configuration = 78
    case interrupted = 130
}

/// An error as the user sees it: one line that says what, where and what to do.
package struct CommandFailure: Error, Sendable, CustomStringConvertible {
    package let status: ExitStatus
    package let description: String

    package init(_ status: ExitStatus, _ description: String) {
        self.status = status
        self.description = description
    }
}
