import MutualTLS
import Testing

@Suite("Identities and trust")
struct IdentityTests {
    @Test("A self-signed certificate carries the name, the dates and both uses, as openssl reads it")
    func selfSigned() async throws {
        let node = try Node("us.example", from: 1_700_000_000, until: 2_500_000_000)
        #expect(node.identity.notBefore == 1_700_000_000)
        #expect(node.identity.notAfter == 2_500_000_000)
        #expect(node.identity.names == ["us.example"])
        #expect(node.identity.subject == "CN=us.example")
        let folder = try Folder()
        let file = try folder.write("us.pem", node.certificatePEM)
        let tool = try Tool("openssl", ["x509", "-in", file, "-noout", "-text"])
        #expect(try await tool.finished() == 0)
        let text = tool.text
        #expect(text.contains("DNS:us.example"))
        #expect(text.contains("TLS Web Server Authentication, TLS Web Client Authentication"))
        #expect(text.contains("ASN1 OID: prime256v1"))
        #expect(text.contains("CA:FALSE"))
        #expect(text.contains("Not After : Mar 22 04:26:40 2049 GMT"))
    }

    @Test("The pin is SHA-256 over the public key's encoding, as openssl computes it")
    func pin() async throws {
        let node = try Node("us.example")
        let folder = try Folder()
        let file = try folder.write("us.pem", node.certificatePEM)
        let command = "openssl x509 -in '\(file)' -noout -pubkey | openssl pkey -pubin -outform der | openssl sha256"
        let tool = try Tool("sh", ["-c", command])
        #expect(try await tool.finished() == 0)
        #expect(tool.text.contains(node.pin.description))
        #expect(node.pin.description.utf8.count == 64)
        #expect(Pin([UInt8](repeating: 0, count: 31)) == nil)
    }

    @Test("Every certificate has its own key and serial")
    func fresh() throws {
        #expect(try Node("us.example").pin != Node("us.example").pin)
    }

    @Test("A certificate that is made again for a key has the pin of the first, and other dates and serial")
    func sameKey() throws {
        var first = try TLSIdentity.selfSigned(dns: "us.example", validFrom: 1_000, validUntil: 2_000)
        defer { first.privateKeyPEM = [] }
        let again = try first.privateKeyPEM.withUnsafeBytes { key in
            try TLSIdentity.selfSigned(
                dns: "us.example", privateKeyPEM: key, validFrom: 1_700_000_000, validUntil: 2_500_000_000)
        }
        let before = try TLSIdentity(certificatePEM: first.certificatePEM, privateKeyPEM: first.privateKeyPEM)
        let after = try TLSIdentity(certificatePEM: again, privateKeyPEM: first.privateKeyPEM)
        #expect(after.subjectPublicKeyInfoPin == before.subjectPublicKeyInfoPin)
        #expect(after.notAfter == 2_500_000_000)
        #expect(again != first.certificatePEM)
    }

    @Test(
        "A name that is not a DNS name makes no certificate, least of all one with a second name",
        arguments: ["", "us.example,DNS:kr.example", "a b", "-a.example", "a..example", "é.example", "*.example"])
    func badName(name: String) {
        #expect(throws: TLSError.self) {
            try TLSIdentity.selfSigned(dns: name, validFrom: 0, validUntil: 1_000_000)
        }
    }

    @Test("The longest name works; dates that make no sense do not")
    func bounds() throws {
        let label = String(repeating: "a", count: 63)
        let name = [label, label, label, String(repeating: "b", count: 61)].joined(separator: ".")
        #expect(name.utf8.count == 253)
        #expect(try Node(name).identity.names.first?.isEmpty == false)
        #expect(throws: TLSError.self) { try Node(name + "c") }
        for (from, until) in [(5, 5), (-1, 5), (0, Int64.max), (9, 3)] as [(Int64, Int64)] {
            #expect(throws: TLSError.self) { try Node("us.example", from: from, until: until) }
        }
    }

    @Test("A key that belongs to another certificate is refused")
    func wrongKey() throws {
        let us = try Node("us.example")
        let kr = try Node("kr.example")
        let error = #expect(throws: TLSError.self) {
            try TLSIdentity(certificatePEM: us.certificatePEM, privateKeyPEM: kr.keyPEM)
        }
        #expect(error?.description == "the private key does not belong to the TLS certificate of CN=us.example")
    }

    @Test("Damaged, empty and oversized files are refused, without a word of the key")
    func damaged() throws {
        let us = try Node("us.example")
        let half = Array(us.keyPEM.prefix(us.keyPEM.count / 2))
        for key in [[], half, Array("-----BEGIN PRIVATE KEY-----\n".utf8), [UInt8](repeating: 65, count: 2 << 20)] {
            let error = #expect(throws: TLSError.self) {
                try TLSIdentity(certificatePEM: us.certificatePEM, privateKeyPEM: key)
            }
            #expect(error?.code == .badIdentity)
        }
        let truncated = us.certificatePEM + Array("-----BEGIN CERTIFICATE-----\nMIIB\n".utf8)
        for certificate in [[], truncated, us.keyPEM, [UInt8](repeating: 10, count: 2 << 20)] {
            let error = #expect(throws: TLSError.self) {
                try TLSIdentity(certificatePEM: certificate, privateKeyPEM: us.keyPEM)
            }
            #expect(error?.code == .badIdentity)
        }
    }

    @Test("An encrypted key is refused and nobody is asked for a passphrase")
    func encryptedKey() async throws {
        let us = try Node("us.example")
        let folder = try Folder()
        let plain = try folder.write("plain.key", us.keyPEM)
        let tool = try Tool(
            "openssl", ["pkey", "-in", plain, "-aes256", "-passout", "pass:secret", "-out", folder.path("locked.key")])
        #expect(try await tool.finished() == 0)
        let locked = try folder.read("locked.key")
        let error = #expect(throws: TLSError.self) {
            try TLSIdentity(certificatePEM: us.certificatePEM, privateKeyPEM: locked)
        }
        #expect(error?.description == "the private key is not an unencrypted PEM private key")
    }

    @Test("A context refuses trust and settings that cannot work")
    func badContexts() throws {
        let us = try Node("us.example")
        func code(_ change: (inout TLSConfiguration) -> Void) -> TLSError.Code? {
            var configuration = us.configuration(trusting: [])
            change(&configuration)
            return #expect(throws: TLSError.self) { try TLSContext(configuration) }?.code
        }
        let garbage = Array("garbage".utf8)
        #expect(code { $0.trust.authority = .init(certificatesPEM: garbage, names: [:]) } == .badTrust)
        #expect(
            code {
                $0.trust.authority = .init(
                    certificatesPEM: us.certificatePEM, names: [:], revocationListsPEM: us.certificatePEM)
            } == .badTrust)
        #expect(
            code { $0.trust.authority = .init(certificatesPEM: us.certificatePEM, names: ["*.example": "us"]) }
                == .badTrust)
        #expect(code { $0.applicationProtocols = [""] } == .badConfiguration)
        #expect(code { $0.applicationProtocols = [String(repeating: "a", count: 256)] } == .badConfiguration)
        #expect(code { $0.handshakeTimeout = 0 } == .badConfiguration)
    }

    @Test(
        "Days are written as dates",
        arguments: [
            (0, "1970-01-01"), (-1, "1969-12-31"), (951_782_400, "2000-02-29"), (1_777_593_600, "2026-05-01"),
            (253_402_300_799, "9999-12-31"), (Int64.max, "9999-12-31"), (Int64.min, "0001-01-01"),
        ] as [(Int64, String)])
    func days(unix: Int64, expected: String) {
        #expect(civilDay(unix) == expected)
    }
}
