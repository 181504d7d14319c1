import Glibc

extension HomeFolder {
    /// This node's TLS certificate, with those that lead to its authority behind it.
    public var certificateFile: String { "\(certificatesFolder)/tls.pem" }

    /// The longest certificate file read, in bytes.
    public static let maximumCertificateByteCount = 4_194_304

    /// This node's TLS certificate, in PEM.
    public func certificate() throws -> [UInt8] {
        try OpenFile(certificateFile, O_RDONLY | O_NONBLOCK).readAll(limit: HomeFolder.maximumCertificateByteCount)
    }

    public var hasCertificate: Bool {
        get throws { try SystemCall.status(certificateFile) != nil }
    }

    /// Replaces this node's TLS certificate in one step.
    public func writeCertificate(_ pem: [UInt8]) throws {
        try AtomicFile.write(pem, to: certificateFile)
    }

    /// A file of `certs/` that a peer card names: a CA bundle. Names with a slash are refused.
    public func certificateFile(_ name: String) throws -> [UInt8] {
        guard !name.isEmpty, name != "..", !name.utf8.contains(UInt8(ascii: "/")) else {
            throw HomeError(.configuration, "\(Display.quoted(name)) is no file name in certs/")
        }
        return try OpenFile("\(certificatesFolder)/\(name)", O_RDONLY | O_NONBLOCK)
            .readAll(limit: HomeFolder.maximumCertificateByteCount)
    }
}
