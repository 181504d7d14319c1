import Records

/// A community, and which log of the node in it is to be the first one here: `krus`, or `krus/2` where the keys of the one
/// before are lost.
struct CommunityArgument {
    let name: String
    let generation: UInt64

    init(parsing text: String) throws {
        // Any node's log will do to read the rest by.
        guard let origin = LogOrigin("node.example/\(text)") else {
            throw CommandFailure(
                .usage,
                "\(printable(text)) is no community name: [a-z0-9][a-z0-9-]{0,31}; /2 and so on behind it names a later log"
            )
        }
        name = origin.community.text
        generation = origin.generation
    }
}
