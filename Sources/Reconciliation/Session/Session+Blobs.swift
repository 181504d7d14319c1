import Cryptography

// Sealed envelopes: asked for by whoever is to hold them, after the entries that name them.
extension Session {
    mutating func enqueue(_ keys: [BlobKey]) {
        for key in keys where knownBlobs.insert(key).inserted { waitingBlobs.append(key) }
    }

    mutating func requestBlobs(_ actions: inout [SessionAction]) {
        guard hasMet else { return }
        let wasIdle = requestedBlobs.isEmpty
        while requestedBlobs.count < configuration.blobWindow, let key = waitingBlobs.first {
            waitingBlobs.removeFirst()
            guard logs[key.log] != nil, !leftOut.contains(key.log) else { continue }
            requestedBlobs.insert(key)
            actions.append(.send(.blobRequest(key)))
        }
        if wasIdle, !requestedBlobs.isEmpty { roundTrips += 1 }
    }

    mutating func receive(_ bytes: [UInt8], for key: BlobKey, _ actions: inout [SessionAction]) throws {
        guard requestedBlobs.remove(key) != nil else { throw ProtocolViolation("a blob that was not asked for") }
        arrivedBlobs.insert(key)
        actions.append(.storeBlob(key, bytes))
    }

    mutating func receiveRefusal(of key: BlobKey, _ actions: inout [SessionAction]) throws {
        guard requestedBlobs.remove(key) != nil else {
            throw ProtocolViolation("a refusal of a blob that was not asked for")
        }
        requestBlobs(&actions)
    }
}
