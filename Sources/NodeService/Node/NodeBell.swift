public import Home

/// Wakes the running node of a home: a command rings after an append, so that partners hear of it at once. A ring
/// carries nothing, since the node looks at its logs itself, and nobody waits for an answer to it.
public enum NodeBell {
    /// Rings if a node is running, and answers whether one is; does nothing otherwise.
    @discardableResult
    public static func ring(_ home: HomeFolder) -> Bool {
        switch AgentSocket.connect(home.socket, waiting: nil) {
        case .connected(let socket): AgentRequest.ring.encoded().withUnsafeBytes { socket.send($0) }
        // Rings wait to be heard already.
        case .full: true
        case .nobody: false
        }
    }
}
