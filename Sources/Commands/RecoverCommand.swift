import ArgumentParser
import Home
import LogStore
import NodeService
import Records

struct RecoverCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "recover",
        abstract: "Bring this node's own logs back from its partners, after a loss or an older copy.",
        discussion: """
            Asks every member what it holds. Nothing is appended until all have answered: repeat this, or leave \
            `entente run` running. Of a home that is lost but for keys/ and peers/ it first makes the rest again.

            Exit status 0: all is back. 69: members are missing. 1: histories contradict each other, nobody has \
            entries that were signed, or partners hold a later log of this node, whose key is not here; only a successor \
            log can go on then (`entente community successor`). A log that forked and has a successor already is no such \
            case.

            EXAMPLES
              entente recover
              entente recover --restored      # this home is an older copy, though nothing here shows it
              entente recover --listen 0.0.0.0 --endpoint node.us.example:7962
            """)

    @OptionGroup var global: GlobalOptions

    @Flag(help: "This home was restored from a copy: ask all members, for all own logs, from the beginning.")
    var restored = false

    @Option(help: "Where node.yaml is lost: this node's name; otherwise that of its keys.")
    var node: String?

    @Option(help: ArgumentHelp("Where node.yaml is lost: where to listen.", valueName: "host:port"))
    var listen: String?

    @Option(help: ArgumentHelp("Where node.yaml is lost: where partners connect to.", valueName: "host:port"))
    var endpoint: String?

    func run() async throws {
        Interruption.exitsWith130()
        // One for both: a descriptor gives the passphrase once.
        let unlocker = global.unlocker
        let wasRebuilt = try rebuildIfLost(unlocker)
        let opened = try global.open(unlocker: unlocker)
        try opened.checkKeys()
        if try opened.restoreCertificate() {
            Output.note(
                "made certs/tls.pem again, self-signed, for the key in keys/tls.key: partners that have its pin accept it; "
                    + "those that go by an authority (tls_ca) need one that it issues")
        }
        try opened.beginRecovery(isRestored: restored)
        let reports = try await ask(opened)
        let before = try opened.recoveries()
        try opened.settleRecoveries()
        try opened.restoreDoubles()
        let outcome = RecoveryOutcome(
            before: before, recoveries: try opened.recoveries(), reports: reports, wasRebuilt: wasRebuilt)
        if global.json { Output.json(outcome.members) } else { outcome.show() }
        NodeBell.ring(opened.home)
        if outcome.status != .done { throw ExitCode(outcome.status.rawValue) }
    }

    private func rebuildIfLost(_ unlocker: KeyUnlocker) throws -> Bool {
        let path = try global.home ?? HomeFolder.defaultPath()
        guard try HomeFolder.isLost(path) else {
            guard node == nil, listen == nil, endpoint == nil else {
                throw CommandFailure(.usage, "--node, --listen and --endpoint are for a home that has lost node.yaml")
            }
            return false
        }
        let (listen, reachable) = try InitCommand.addresses(listen: listen ?? "0.0.0.0", endpoint: endpoint)
        try Node.rebuild(
            Node.Rebuilding(node: node, listen: listen, endpoint: reachable), at: path,
            unlocker: unlocker)
        return true
    }

    /// One session with each partner; a second one with those that were asked before what they hold had come.
    private func ask(_ node: Node) async throws -> [SessionReport] {
        let synchroniser = try node.synchroniser()
        let partners = try node.partners()
        var reports: [String: SessionReport] = [:]
        for round in 0..<2 {
            for partner in partners {
                let isMissing = try node.recoveries().contains { $0.missing.contains(partner.node) }
                if round > 0, !isMissing || reports[partner.node]?.error != nil { continue }
                reports[partner.node] = await ask(partner, synchroniser)
            }
        }
        return partners.compactMap { reports[$0.node] }
    }

    private func ask(_ partner: Node.Partner, _ synchroniser: any Synchroniser) async -> SessionReport {
        let bar = ProgressBar(partner.node, isQuiet: global.json)
        let targets = Targets()
        defer { bar.finish() }
        return await synchroniser.synchronise(with: partner) { progress in
            let (done, total) = targets.take(progress)
            bar.update(done, of: total)
        }
    }
}
