import Cryptography

extension NodeConfiguration {
    /// Where in the file a rule is broken.
    enum Place: Hashable {
        case node, endpoint, tiles, syncInterval, communities, community(Int), member(Int, Int), staleAfter(Int)
        case askedWitnesses(Int), askedWitness(Int, Int)
        case sealing, sealingItem(SealingDefaults.List, Int)
        case witness, witnessed(Int), auditors, auditor(Int)
    }

    struct Problem {
        let place: Place
        let message: String

        init(_ place: Place, _ message: String) {
            self.place = place
            self.message = message
        }
    }

    /// Throws the first rule that the configuration breaks, as `configuration`.
    public func validate() throws {
        if let problem = firstProblem() { throw HomeError(.configuration, problem.message) }
    }

    func firstProblem() -> Problem? {
        guard Names.isNode(node) else {
            return Problem(.node, "\(Display.quoted(node)) is no node name; \(Names.nodeRule)")
        }
        if let endpoint, endpoint.isWildcard || endpoint.port == 0 {
            return Problem(
                .endpoint, "nobody can connect to the endpoint \(endpoint); name the address partners reach, or none")
        }
        if let tiles, tiles.port != 0, tiles.port == listen.port, tiles.host == listen.host || listen.isWildcard {
            return Problem(.tiles, "tiles are served at another port than \(listen.port), where this node listens")
        }
        if let witness, witness.listen.port != 0 {
            for (name, taken) in [("where this node listens", listen), ("where it serves tiles", tiles ?? listen)]
            where taken.port == witness.listen.port && (taken.host == witness.listen.host || taken.isWildcard) {
                return Problem(.witness, "logs are witnessed at another port than \(taken.port), \(name)")
            }
        }
        guard 1...NodeConfiguration.maximumSyncInterval ~= syncInterval else {
            return Problem(
                .syncInterval, "sync_interval must be from 1 to \(NodeConfiguration.maximumSyncInterval) seconds")
        }
        return communityProblem() ?? sealing.firstProblem(communities: communities)
            ?? witness?.firstProblem(node: node) ?? auditorProblem()
    }

    private func auditorProblem() -> Problem? {
        guard auditors.count <= AuditorConfiguration.maximumCount else {
            return Problem(.auditors, "at most \(AuditorConfiguration.maximumCount) auditors are accepted")
        }
        var names: Set<String> = []
        var pins: Set<SHA256Digest> = []
        for (index, auditor) in auditors.enumerated() {
            guard Names.isNode(auditor.name) else {
                return Problem(
                    .auditor(index),
                    "\(Display.quoted(auditor.name)) is no name of an auditor: lower-case letters, digits, hyphens, dots"
                )
            }
            guard names.insert(auditor.name).inserted else {
                return Problem(.auditor(index), "the auditor \(auditor.name) stands twice; merge the two")
            }
            guard pins.insert(auditor.pin).inserted else {
                return Problem(.auditor(index), "the key of \(auditor.name) is that of another auditor, too")
            }
            if auditor.communities.isEmpty {
                return Problem(.auditor(index), "\(auditor.name) reads no community; name one, or remove it")
            }
            for name in auditor.communities where community(name) == nil {
                return Problem(
                    .auditor(index), "\(auditor.name) reads \(Display.quoted(name)), in which this node is not")
            }
        }
        return nil
    }

    private func communityProblem() -> Problem? {
        guard communities.count <= NodeConfiguration.maximumCommunityCount else {
            return Problem(.communities, "at most \(NodeConfiguration.maximumCommunityCount) communities are accepted")
        }
        var seen: Set<String> = []
        for (index, community) in communities.enumerated() {
            guard Names.isCommunity(community.name) else {
                return Problem(
                    .community(index), "\(Display.quoted(community.name)) is no community name; \(Names.communityRule)")
            }
            guard seen.insert(community.name).inserted else {
                return Problem(.community(index), "the community \(community.name) stands twice; merge the two")
            }
            if let problem = memberProblem(of: community, at: index) { return problem }
            let range = CommunityConfiguration.staleAfterRange
            guard range.contains(community.staleAfter) else {
                return Problem(
                    .staleAfter(index),
                    "stale_after must be from \(TimeSpan.text(range.lowerBound)) to \(TimeSpan.text(range.upperBound)): "
                        + "nodes date their logs once an hour")
            }
            if let (position, message) = community.witnessProblem() {
                return Problem(position.map { .askedWitness(index, $0) } ?? .askedWitnesses(index), message)
            }
        }
        return nil
    }

    private func memberProblem(of community: CommunityConfiguration, at index: Int) -> Problem? {
        guard community.members.count <= CommunityConfiguration.maximumMemberCount else {
            return Problem(
                .community(index), "at most \(CommunityConfiguration.maximumMemberCount) members are accepted")
        }
        var seen: Set<String> = []
        for (position, member) in community.members.enumerated() {
            guard Names.isNode(member) else {
                return Problem(
                    .member(index, position), "\(Display.quoted(member)) is no node name; \(Names.nodeRule)")
            }
            guard seen.insert(member).inserted else {
                return Problem(.member(index, position), "the member \(member) stands twice; remove one")
            }
        }
        guard seen.contains(node) else {
            return Problem(
                .community(index), "this node, \(node), is missing from the members of \(community.name); add it")
        }
        return nil
    }
}
