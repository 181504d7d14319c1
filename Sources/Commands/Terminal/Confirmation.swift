/// The question before something that cannot be undone.
enum Confirmation {
    /// Asks on the terminal; without one nobody can be asked, and `--yes` must say it.
    ///
    /// - Parameters:
    ///   - consequence: what happens, a sentence without its full stop.
    ///   - question: what is asked then.
    static func ask(_ consequence: String, _ question: String) throws {
        guard Output.inputIsTerminal else {
            throw CommandFailure(.usage, "\(consequence); confirm that with --yes")
        }
        Output.note("\(consequence).")
        Output.write("\(question) [y/N] ", to: 2)
        guard isYes(readLine()) else { throw CommandFailure(.notPermitted, "not confirmed; nothing was changed") }
    }

    /// Whether an answer is the word itself, not one that begins like it.
    static func isYes(_ answer: String?) -> Bool { ["y", "yes"].contains(answer?.lowercased()) }
}
