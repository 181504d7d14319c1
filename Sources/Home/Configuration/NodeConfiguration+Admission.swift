extension NodeConfiguration {
    /// The communities, in this node's order, in which it admits the peer: those whose members name it.
    public func communities(admitting peer: String) -> [String] {
        communities.filter { $0.members.contains(peer) }.map(\.name)
    }

    /// The communities, in this node's order, that this node and the card both name.
    public func communities(sharedWith card: PeerCard) -> [String] {
        let theirs = Set(card.communities)
        return communities.map(\.name).filter(theirs.contains)
    }

    /// Adds the peer at the end of the members of each named community where it is not yet.
    ///
    /// Throws `usage` for a community that this node is not in, and changes nothing then.
    public mutating func admit(_ peer: String, to names: some Collection<String>) throws {
        guard Names.isNode(peer) else {
            throw HomeError(.usage, "\(Display.quoted(peer)) is no node name; \(Names.nodeRule)")
        }
        for name in names where community(name) == nil {
            throw HomeError(
                .usage,
                "this node is not in the community \(Display.quoted(name)); it is in "
                    + (communities.isEmpty ? "none" : communities.map(\.name).joined(separator: ", ")))
        }
        for index in communities.indices
        where names.contains(communities[index].name) && !communities[index].members.contains(peer) {
            communities[index].members.append(peer)
        }
    }

    /// Takes the peer out of the members of the named communities, or of all; the others keep their order. Returns
    /// the communities it was in. Throws `usage` for this node's own name.
    @discardableResult
    public mutating func expel(_ peer: String, from names: [String]? = nil) throws -> [String] {
        guard peer != node else { throw HomeError(.usage, "\(peer) is this node; it stays a member") }
        var left: [String] = []
        for index in communities.indices where names?.contains(communities[index].name) ?? true {
            let count = communities[index].members.count
            communities[index].members.removeAll { $0 == peer }
            if communities[index].members.count < count { left.append(communities[index].name) }
        }
        forgetStrangers()
        return left
    }

    /// Takes the community out.
    public mutating func leave(_ name: String) {
        communities.removeAll { $0.name == name }
        for index in auditors.indices { auditors[index].communities.removeAll { $0 == name } }
        auditors.removeAll(where: \.communities.isEmpty)
        forgetStrangers()
    }

    /// Nothing is sealed to a node that is a member of no community any more.
    private mutating func forgetStrangers() {
        let members = Set(communities.flatMap(\.members))
        sealing.keepReaders(members.contains)
    }
}
