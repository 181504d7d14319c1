import ArgumentParser
import Cryptography
import Glibc
import Home
import MutualTLS
import NodeService
import WebService

/// `verify https://…`: who this side is to the server, and which server will do.
struct WebAccess {
    /// PEM files of a certificate and its key; without them those of the home, if there is one.
    var certificate: String?
    var key: String?
    /// SHA-256 of the server's key, in hex: no other server will do.
    var pin: String?
    /// A PEM file of authorities that vouch for the server's name.
    var authority: String?

    static func isAddress(_ text: String) -> Bool { text.contains("://") }

    func client(_ text: String, home: String?) throws -> WebClient {
        guard let address = WebAddress(text) else {
            throw CommandFailure(.usage, "\(printable(text)) is no address https://HOST[:PORT][/PATH]")
        }
        guard (certificate == nil) == (key == nil) else {
            throw CommandFailure(.usage, "--cert and --key go together")
        }
        // A home that is named has to be there; the usual one is used where it is.
        let node = certificate == nil || pin == nil && authority == nil ? try self.node(home) : nil
        let identity = try identity(node)
        let configuration = TLSConfiguration(
            identity: identity, trust: try trust(address, node, identity), applicationProtocols: [])
        return WebClient(address, context: try TLSContext(configuration), server: address.authority)
    }

    private func node(_ home: String?) throws -> Node? {
        do {
            return try Node.open(home)
        } catch let error as HomeError where home == nil && error.category == .noInput {
            return nil
        }
    }

    private func identity(_ node: Node?) throws -> TLSIdentity {
        if let certificate, let key {
            var secret = try InputFile.read(key, limit: 1 << 20)
            defer {
                secret.withUnsafeMutableBytes { bytes in _ = bytes.baseAddress.map { explicit_bzero($0, bytes.count) } }
            }
            return try TLSIdentity(
                certificatePEM: InputFile.read(certificate, limit: HomeFolder.maximumCertificateByteCount),
                privateKeyPEM: secret)
        }
        if let node { return try node.identity() }
        // A server that asks for none gets none that means anything.
        let now = Int64(clamping: Clock.now())
        let made = try TLSIdentity.selfSigned(
            dns: "nobody.invalid", validFrom: now - 86_400, validUntil: now + 86_400)
        return try TLSIdentity(certificatePEM: made.certificatePEM, privateKeyPEM: made.privateKeyPEM)
    }

    private func trust(_ address: WebAddress, _ node: Node?, _ identity: TLSIdentity) throws -> PeerTrust {
        // Trust calls the server by its address, whoever it turns out to be.
        let server = address.authority
        if let pin {
            guard let bytes = Hexadecimal.decode(pin.hasPrefix("sha256:") ? String(pin.dropFirst(7)) : pin),
                let pin = Pin(bytes)
            else { throw CommandFailure(.usage, "--pin takes 64 hexadecimal digits, as `tls_pins` of a peer card") }
            return PeerTrust(pins: [pin: server])
        }
        if authority == nil, let node {
            // Any partner whose card is here, or this node itself.
            var trust = try node.tls().configuration.trust
            trust.pins = trust.pins.mapValues { _ in server }
            if let own = Pin(identity.subjectPublicKeyInfoPin) { trust.pins[own] = server }
            if var authority = trust.authority {
                authority.names = authority.names.mapValues { _ in server }
                trust.authority = authority
            }
            return trust
        }
        let authorities = try authority.map {
            try InputFile.read($0, limit: HomeFolder.maximumCertificateByteCount)
        }
        return try address.trust(authorities: authorities ?? SystemAuthorities.read(), calling: server)
    }
}

/// Options of whatever reads from a server.
struct WebOptions: ParsableArguments {
    @Option(
        name: .customLong("cert"),
        help: ArgumentHelp("The certificate to show a server (PEM); the home's unless given.", valueName: "file"))
    var certificate: String?

    @Option(help: ArgumentHelp("The key of that certificate (PEM).", valueName: "file"))
    var key: String?

    @Option(help: ArgumentHelp("SHA-256 of the server's key, as a peer card has it.", valueName: "hex"))
    var pin: String?

    @Option(
        name: .customLong("ca"),
        help: ArgumentHelp("Authorities that vouch for the server (PEM), instead of peer cards.", valueName: "file"))
    var authority: String?

    var access: WebAccess { WebAccess(certificate: certificate, key: key, pin: pin, authority: authority) }
}
