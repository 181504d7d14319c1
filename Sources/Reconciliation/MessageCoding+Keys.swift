import Cryptography

// What is said of the keys of logs, between the session and entente.proto.

extension WireKnownKeys {
    init(_ log: LogID, _ ids: [UInt32]) {
        logID = log.wire
        keyIds = ids
    }
}

extension WireStonesRequest {
    init(_ log: LogID) {
        logID = log.wire
    }
}

extension WireStones {
    init(_ log: LogID, _ notes: [String]) {
        logID = log.wire
        checkpoints = notes
    }
}
