import Cryptography
import Home
import LogStore
import MutualTLS
import Records
import TransparencyLog

// Keys in keys/ that the own logs say were replaced: an older copy of the files was put back. Partners take nothing that
// such a key signs or shows, and a rotation that begins at one would contradict what they know.
extension Node {
    // MARK: Log keys

    /// Whether the key of an own log in keys/ is one that the log has had before. One that the log does not know is
    /// something else: then the database may be the older copy.
    func isKeyReplaced(of log: StoredLog) throws -> Bool {
        let keys = try log.keys
        let here = try logPublicKey(community: log.community)
        return here != keys.current.publicKey && keys.keys.contains { $0.publicKey == here }
    }

    func requireNewestKey(of log: StoredLog) throws {
        if try isKeyReplaced(of: log) { throw replacedLogKey(log.origin, log.community) }
    }

    func replacedLogKey(_ origin: String, _ community: String) -> HomeError {
        HomeError(
            .notPermitted,
            "the log key in keys/ is not the one that \(origin) has by now: nothing can be appended; put back keys/ as it was "
                + "after the last rotation, or, if there is no such backup, give the log up with `entente key stolen log "
                + "--community \(community)`", path: home.keysFolder)
    }

    // MARK: The mirror key

    /// The newest mirror key that the own logs lead to from the one in keys/.
    func newestMirrorKey() throws -> VerifierKey {
        let here = try VerifierKey(parsing: mirrorCardKey().text)
        let logs = try ownLogs()
        // Nothing is appended to the others now; what they say of the past holds all the same.
        let said =
            try ownStatements(.mirror)
            + (logs.recovering + logs.frozen).flatMap { try store.publishedKeys(of: $0.id) }
        return MirrorKeys(here).led(by: said.map { (name, $0) }).newest
    }

    /// The mirror key that has taken the place of the one in keys/; `nil` where that is the one in use.
    func newerMirrorKey() throws -> VerifierKey? {
        // Of one that is gone another alarm tells.
        guard try keystore.hasMirrorKey || isNextMirrorKeyInUse() else { return nil }
        var newer: VerifierKey?
        // Another process may be replacing it: its file follows the record.
        for _ in 0..<2 {
            let here = try mirrorCardKey().text
            let newest = try newestMirrorKey()
            guard newest.text != here else { return nil }
            newer = newest
        }
        return newer
    }

    func requireNewestMirrorKey() throws {
        guard let alarm = try replacedMirrorKeyAlarm() else { return }
        throw HomeError(.notPermitted, alarm)
    }

    func replacedMirrorKeyAlarm() throws -> String? {
        guard try newerMirrorKey() != nil else { return nil }
        return
            "keys/mirror.key is one that was replaced since, and nothing is cosigned with it: put the newest back from a "
            + "backup of keys/; if there is none, `entente key stolen mirror` makes another"
    }

    // MARK: The TLS key

    /// Whether the TLS key in keys/ is seen not to be that of the certificate: under a passphrase only who has it sees it.
    var isTLSKeyMismatched: Bool {
        guard let isUnlocked = try? keystore.isUnlocked, isUnlocked else { return false }
        do {
            _ = try identity()
            return false
        } catch let error as HomeError {
            return error == mismatchedTLSKey
        } catch {
            return false
        }
    }

    /// This node's key with the certificate in its place, where the next certificate is there and its key is neither in its
    /// place nor beside it: that key is lost, and was never used.
    func identityBesideLostNext() throws -> TLSIdentity? {
        guard try !keystore.hasNextTLSKey, let next = try home.nextCertificate(), try home.hasCertificate else {
            return nil
        }
        return try keystore.tlsKey().withUnsafeBytes { key in
            guard (try? TLSIdentity(certificatePEM: next, privateKeyPEM: key)) == nil else { return nil }
            return try? TLSIdentity(certificatePEM: home.certificate(), privateKeyPEM: key)
        }
    }

    func isNextTLSKeyLost() throws -> Bool {
        guard try !keystore.hasNextTLSKey, try home.nextCertificate() != nil else { return false }
        return try identityBesideLostNext() != nil
    }

    var mismatchedTLSKey: HomeError {
        let isSelfSigned = (try? certificate().isSelfSigned) ?? true
        return HomeError(
            .configuration,
            "is not the key of the certificate in \(home.certificateFile): one of the two files is an older copy; put both "
                + "back from a backup as they were last"
                + (isSelfSigned ? ", or run `entente key stolen tls`, which makes both anew" : ""),
            path: "\(home.keysFolder)/tls.key")
    }

    var replacedTLSKey: HomeError {
        HomeError(
            .notPermitted,
            "is of a TLS key that was replaced since, and partners refuse it: put the newest keys/tls.key and certs/tls.pem "
                + "back from a backup; if there is none, `entente key stolen tls` makes another",
            path: home.certificateFile
        )
    }
}
