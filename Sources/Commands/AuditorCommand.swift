import ArgumentParser
import Cryptography
import Home
import MutualTLS
import NodeService
import Records

struct AuditorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "auditor",
        abstract: "Who may read logs as tiles without being a partner.",
        subcommands: [Add.self, List.self, Remove.self], defaultSubcommand: List.self)

    struct Add: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Let an auditor read this node's logs and replicas of some communities as tiles.",
            discussion: """
                An auditor is recognised by the key of its certificate, which may be any that openssl makes. It reads \
                tiles from the address that node.yaml names as `tiles`, and nothing else: it is no member, gets no \
                sealed part, and partners do not hear of it. Compare the pin with the auditor by phone.

                EXAMPLES
                  entente auditor add court --certificate court.pem --community krus
                  entente auditor add court --pin sha256:9b0c… --community krus
                """)

        @OptionGroup var global: GlobalOptions
        @Argument(help: "A name for it: lower-case letters, digits, hyphens, dots.")
        var name: String
        @Option(help: ArgumentHelp("SHA-256 of its public key, as `sha256:` and 64 digits.", valueName: "pin"))
        var pin: String?
        @Option(help: ArgumentHelp("Its certificate (PEM), instead of --pin.", valueName: "file"))
        var certificate: String?
        @Option(help: "A community whose logs it may read; may repeat.")
        var community: [String] = []

        func validate() throws {
            guard (pin == nil) != (certificate == nil) else {
                throw ValidationError("name its key with --pin, or its certificate with --certificate")
            }
            guard !community.isEmpty else { throw ValidationError("name with --community whose logs it may read") }
        }

        func run() throws {
            let node = try global.open()
            for name in community { _ = try node.community(name) }
            let digest = try digest()
            if let partner = try node.partner(withPin: digest) {
                throw CommandFailure(.usage, "that is the TLS key of \(partner), a partner, which reads tiles anyway")
            }
            let auditor = AuditorConfiguration(name: name, pin: digest, communities: community)
            try node.home.updateConfiguration { configuration in
                guard !configuration.auditors.contains(where: { $0.name == name }) else {
                    throw HomeError(.exists, "there is an auditor \(name) already; remove it first")
                }
                configuration.auditors.append(auditor)
                do {
                    try configuration.validate()
                } catch let error as HomeError {
                    throw HomeError(.usage, error.message)
                }
            }
            NodeBell.ring(node.home)
            AuditorCommand.show([auditor], json: global.json)
            if node.configuration.tiles == nil {
                Output.note(
                    "nothing is served yet: name an address with `tiles` in node.yaml, and restart `entente run`")
            }
        }

        private func digest() throws -> SHA256Digest {
            if let certificate {
                let bytes = try InputFile.read(certificate, limit: HomeFolder.maximumCertificateByteCount)
                guard let digest = SHA256Digest(try TLSCertificate(pem: bytes).subjectPublicKeyInfoPin) else {
                    throw CommandFailure(.badInput, "\(printable(certificate)) has no usable key")
                }
                return digest
            }
            guard let pin, let digest = SHA256Digest(pin: pin) ?? SHA256Digest(hex: pin) else {
                throw CommandFailure(.usage, "--pin takes sha256: and 64 hexadecimal digits")
            }
            return digest
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the auditors with what they may read.")

        @OptionGroup var global: GlobalOptions

        func run() throws { AuditorCommand.show(try global.open().configuration.auditors, json: global.json) }
    }

    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Let an auditor read nothing more. A running node obeys within moments.")

        @OptionGroup var global: GlobalOptions
        @Argument(help: "The auditor, by its name.")
        var name: String

        func run() throws {
            let node = try global.open()
            guard let auditor = node.configuration.auditors.first(where: { $0.name == name }) else {
                throw CommandFailure(.noInput, "no auditor \(printable(name)); `entente auditor list` lists them")
            }
            try node.home.updateConfiguration { $0.auditors.removeAll { $0.name == name } }
            NodeBell.ring(node.home)
            if global.json { AuditorCommand.show([auditor], json: true) } else { Output.line("removed \(name)") }
        }
    }

    private static func show(_ auditors: [AuditorConfiguration], json: Bool) {
        var table = Table("AUDITOR", "COMMUNITIES", "KEY")
        for auditor in auditors {
            if json {
                Output.json([
                    JSONMember("auditor", .string(auditor.name)),
                    JSONMember("communities", .array(auditor.communities.map { .string($0) })),
                    JSONMember("pin", .string("sha256:\(auditor.pin.hex)")),
                ])
            } else {
                table.add(auditor.name, auditor.communities.joined(separator: ", "), "sha256:\(auditor.pin.hex)")
            }
        }
        if !json { table.print() }
    }
}
