import Cryptography
import Glibc
import Home
import Records
import Sealing
import TransparencyLog

/// The private keys as the running node has them open. They stay with it: what comes from there are signatures, and the
/// content of boxes.
struct AgentKeys: PrivateKeys {
    private let home: HomeFolder

    private init(asking home: HomeFolder) {
        self.home = home
    }

    /// `nil` where no node is running that can use the keys of this home.
    init?(_ home: HomeFolder) {
        self.init(asking: home)
        guard case .done = try? ask(.check) else { return nil }
    }

    /// What the running node says of itself; nothing where none is, or an older release.
    static func warnings(of home: HomeFolder) -> [String] { lines(.warnings, of: home) }

    /// What the running node, which has the keys open, says of their files.
    static func alarms(of home: HomeFolder) -> [String] { lines(.keyAlarms, of: home) }

    private static func lines(_ request: AgentRequest, of home: HomeFolder) -> [String] {
        // Whoever asks has other things to say, too.
        guard
            case .said(let value)? = try? AgentKeys(asking: home).ask(
                request, limit: AgentAnswer.maximumTextByteCount + 2, seconds: 5)
        else { return [] }
        return value.array?.compactMap(\.string) ?? []
    }

    func check() throws {
        guard case .done = try ask(.check) else { throw unexpected }
    }

    func signer(of origin: String, publicKey: Ed25519.PublicKey) throws -> NoteSigner {
        try NoteSigner(name: origin, publicKey: publicKey) { message in
            let text = String(decoding: message, as: UTF8.self)
            guard case .signature(let signature) = try ask(.sign(checkpoint: text, publicKey: publicKey.bytes)) else {
                throw unexpected
            }
            // Nothing is stored that does not verify.
            guard publicKey.verifies(signature, of: message) else { throw unexpected }
            return signature
        }
    }

    func open(_ boxes: [BoxedKey]) throws -> [SecretBytes?] {
        var opened: [SecretBytes?] = []
        for start in stride(from: 0, to: boxes.count, by: AgentRequest.maximumBoxCount) {
            let part = boxes[start..<min(start + AgentRequest.maximumBoxCount, boxes.count)].map { AgentBox($0) }
            let wellFormed = part.compactMap { $0 }
            guard !wellFormed.isEmpty else {
                opened += part.map { _ in nil }
                continue
            }
            guard case .opened(let keys) = try ask(.open(wellFormed)), keys.count == wellFormed.count else {
                throw unexpected
            }
            var rest = keys[...]
            opened += part.map { $0 == nil ? nil : rest.popFirst() ?? nil }
        }
        return opened
    }

    func doublesKey() throws -> SecretBytes { try key(.doublesKey) }

    func blindIndexKey() throws -> SecretBytes { try key(.blindIndexKey) }

    private func key(_ request: AgentRequest) throws -> SecretBytes {
        guard case .key(let key) = try ask(request) else { throw unexpected }
        return key
    }

    func makeDoublesKey() throws {
        guard case .done = try ask(.makeDoublesKey) else { throw unexpected }
    }

    func makeLogKey(community: String, generation: UInt64) throws {
        guard case .done = try ask(.makeLogKey(community: community, generation: generation)) else {
            throw unexpected
        }
    }

    func makeWitnessKey() throws {
        guard case .done = try ask(.makeWitnessKey) else { throw unexpected }
    }

    func replace<Result: KeyReplacementResult>(_ replacement: KeyReplacement) throws -> Result {
        guard case .said(let value) = try ask(.replaceKey(replacement), limit: AgentAnswer.maximumTextByteCount + 2),
            let result = Result(value)
        else { throw unexpected }
        return result
    }

    /// Has the node synchronise with a partner, and follows that to its end.
    func follow(_ partner: String, progress: (SyncProgress) -> Void) throws -> SessionReport {
        let socket = try send(.synchronise(partner))
        // A session may be silent for as long as the node lives.
        socket.limit(seconds: 0)
        var report = SessionReport(peer: partner)
        var buffer = [UInt8](repeating: 0, count: SessionNews.maximumByteCount)
        while true {
            var received: Int?
            buffer.withUnsafeMutableBytes { received = socket.receive(into: $0) }
            guard let count = received else {
                report.error = SessionFailure(.unreachable, gone.description)
                return report
            }
            switch SessionNews(buffer[..<count]) {
            case .progress(let state): progress(state)
            case .log(let log): report.logs.append(log)
            case .refused(let text): report.refused.append(text)
            case .ended(var ended):
                (ended.logs, ended.refused) = (report.logs, report.refused)
                return ended
            case nil:
                var answer: AgentAnswer?
                try buffer.withUnsafeBytes { answer = try AgentAnswer(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
                _ = try granted(answer)
                throw unexpected
            }
        }
    }

    private func send(_ request: AgentRequest, seconds: Int = 60) throws -> AgentSocket {
        guard case .connected(let socket) = AgentSocket.connect(home.socket, waiting: seconds),
            socket.peer?.user == geteuid(), request.encoded().withUnsafeBytes({ socket.send($0) })
        else { throw gone }
        return socket
    }

    /// Sends one request and takes its answer. Throws what the node refuses as its own commands would say it.
    private func ask(
        _ request: AgentRequest, limit: Int = AgentAnswer.maximumByteCount, seconds: Int = 60
    ) throws -> AgentAnswer {
        let socket = try send(request, seconds: seconds)
        var answer: AgentAnswer?
        var received: Int?
        let buffer = try SecretBytes(count: limit) { received = socket.receive(into: $0) }
        guard let count = received else { throw gone }
        try buffer.withUnsafeBytes { answer = try AgentAnswer(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
        return try granted(answer)
    }

    private func granted(_ answer: AgentAnswer?) throws -> AgentAnswer {
        switch answer {
        case .refused(let category, let text): throw HomeError(category, text)
        case .locked: throw HomeError(.busy, "the running node cannot use the keys; start it again", path: home.path)
        case nil: throw unexpected
        case .some(let answer): return answer
        }
    }

    private var gone: HomeError {
        HomeError(.busy, "the running node does not answer; try again", path: home.socket)
    }

    private var unexpected: HomeError {
        HomeError(
            .io, "the running node answered what this program does not know; start it again as the same release",
            path: home.socket)
    }
}
