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
        guard readLine()?.lowercased().hasPrefix("y") == true else {
            throw CommandFailure(.notPermitted, "not confirmed; nothing was changed")
        }
    }
}
