extension HomeFolder {
    /// A folder taken for a home as it is found, for whoever audits it: a copy of another user's, or one on a medium
    /// that cannot be written, is refused by ``open(_:)``. Only what is in no private file may be read of it.
    public static func found(at path: String) throws -> HomeFolder {
        HomeFolder(unchecked: normal(try SystemCall.absolute(path)))
    }

    /// The name of the node whose home it is, where `node.yaml` can be read.
    public var foundNode: String? {
        guard let file = try? OpenFile(configurationFile, 0), let limit = Optional(NodeConfiguration.maximumByteCount),
            let bytes = try? file.readAll(limit: limit)
        else { return nil }
        return try? NodeConfiguration(parsing: bytes, path: configurationFile).node
    }
}
