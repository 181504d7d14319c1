import Home

/// Readers that went out of node.yaml with their last community.
enum LostReaders {
    /// Says of each which lists it stood in; taking it in again does not bring that back.
    static func note(before: SealingDefaults, after: SealingDefaults) {
        let left = Set(after.readerLists.flatMap { list in list.readers.map { [list.key, $0] } })
        let lost = before.readerLists.flatMap { list in
            list.readers.filter { !left.contains([list.key, $0]) }.map { (key: list.key, reader: $0) }
        }
        for (reader, keys) in Dictionary(grouping: lost, by: \.reader).sorted(by: { $0.key < $1.key }) {
            Output.note(
                "\(reader) is no reader in node.yaml any more (\(keys.map(\.key).joined(separator: ", "))); "
                    + "`entente peer add` does not put it back")
        }
    }
}
