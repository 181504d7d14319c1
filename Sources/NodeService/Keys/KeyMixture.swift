import Home

extension Keystore.Mixture {
    /// What is wrong and what to do, a line each.
    var alarms: [String] {
        var alarms: [String] = []
        if !plain.isEmpty {
            alarms.append(
                "there is a passphrase, and \(list(plain)) in keys/ \(plain.count == 1 ? "is" : "are") in clear: run "
                    + "`entente key passphrase`, which encrypts that (the passphrase so far may be given again as the new "
                    + "one), or `entente key passphrase --no-passphrase`, which takes it away from the others")
        }
        if !orphaned.isEmpty {
            alarms.append(
                "\(list(orphaned)) in keys/ \(orphaned.count == 1 ? "is" : "are") encrypted, and keys/passphrase.lock, "
                    + "without which no passphrase opens that, is gone: put it back from a backup of keys/")
        }
        if !foreign.isEmpty {
            alarms.append(
                "\(list(foreign)) in keys/ \(foreign.count == 1 ? "was" : "were") changed, or encrypted under another "
                    + "passphrase.lock than the one there: the passphrase does not open that; put the right copy back from "
                    + "a backup of keys/, before which `entente key passphrase` changes nothing")
        }
        return alarms
    }

    private func list(_ names: [String]) -> String {
        let shown = names.prefix(4).joined(separator: ", ")
        return names.count > 4 ? "\(shown) and \(names.count - 4) more" : shown
    }
}

extension Node {
    /// Whether all key files are protected in the same way: as far as this process can see, and as the running node,
    /// which has them open, says.
    public func protectionAlarms() throws -> [String] {
        let here = try keystore.mixture().alarms
        return try here + (keystore.isUnlocked ? [] : AgentKeys.alarms(of: home).filter { !here.contains($0) })
    }
}
