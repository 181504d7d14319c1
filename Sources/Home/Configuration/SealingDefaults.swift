public import Records

/// What is sealed, to whom, and how records are marked. Commands may say otherwise, but not of what is never to stand
/// in clear.
public struct SealingDefaults: Sendable, Hashable {
    /// The most fields that one list can name.
    public static let maximumFieldCount = 64
    /// The most readers that one list can name: an envelope has 64 recipients, this node among them.
    public static let maximumReaderCount = 63

    /// What happens to a record's source.
    public enum SourceSealing: String, Sendable, Hashable, CaseIterable {
        /// Sealed unless it is a public address on the web.
        case unlessPublic = "unless_public"
        case always
        case never
    }

    /// The traffic light protocol's labels that a record can carry by default.
    public enum TrafficLight: String, Sendable, Hashable, CaseIterable {
        case clear, green, amber
    }

    /// What one type of record has besides what holds for all: fields are added, source and readers count in its place.
    /// `nil` where it is as for all.
    public struct OfType: Sendable, Hashable {
        public var fields: [String]?
        public var source: SourceSealing?
        public var readers: [String]?
        public var neverInClear: [String]?

        public init(
            fields: [String]? = nil, source: SourceSealing? = nil, readers: [String]? = nil,
            neverInClear: [String]? = nil
        ) {
            self.fields = fields
            self.source = source
            self.readers = readers
            self.neverInClear = neverInClear
        }
    }

    /// The fields that are sealed, by path.
    public var fields: [String]
    public var source: SourceSealing
    /// The nodes that can open what is sealed, besides this one.
    public var readers: [String]
    /// The fields of which none is written unless it is sealed.
    public var neverInClear: [String]
    public var trafficLight: TrafficLight
    /// By the name of the type.
    public var types: [String: OfType]

    public init(
        fields: [String] = ["victim", "case_number", "method", "note"], source: SourceSealing = .unlessPublic,
        readers: [String] = [], neverInClear: [String] = ["victim", "case_number"],
        trafficLight: TrafficLight = .green, types: [String: OfType] = [:]
    ) {
        self.fields = fields
        self.source = source
        self.readers = readers
        self.neverInClear = neverInClear
        self.trafficLight = trafficLight
        self.types = types
    }

    /// The types of record of which something can be sealed.
    static var schemas: [RecordSchema] { RecordSchema.all.filter { !$0.sealableFields.isEmpty } }

    // MARK: What holds for a type

    // A list of fields of one type adds to that of all types. Were it to count in its place, who adds a field would
    // put in the open, for ever, what they did not think to repeat.

    public func fields(of type: RecordType) -> [String] {
        fields + (types[type.rawValue]?.fields ?? []).filter { !fields.contains($0) }
    }

    public func source(of type: RecordType) -> SourceSealing { types[type.rawValue]?.source ?? source }
    public func readers(of type: RecordType) -> [String] { types[type.rawValue]?.readers ?? readers }

    /// The fields of the type that never stand in clear, each with the key in node.yaml that says so.
    public func neverInClear(of type: RecordType) -> [(field: String, key: String)] {
        let own = (types[type.rawValue]?.neverInClear ?? []).filter { !neverInClear.contains($0) }
        return neverInClear.map { ($0, "sealing.never_in_clear") }
            + own.map { ($0, "sealing.types.\(type).never_in_clear") }
    }

    /// The key in node.yaml that says whether a field of the type is sealed.
    public func key(sealing field: String, of type: RecordType) -> String {
        let own = types[type.rawValue]
        let isSource = field == "source"
        let isOwn = isSource ? own?.source != nil : own?.fields != nil
        return (isOwn ? "sealing.types.\(type)." : "sealing.") + (isSource ? "source" : "fields")
    }

    /// The lists of readers that node.yaml has, by key.
    public var readerLists: [(key: String, readers: [String])] {
        [("sealing.readers", readers)]
            + types.sorted { $0.key < $1.key }.compactMap { type, own in
                own.readers.map { ("sealing.types.\(type).readers", $0) }
            }
    }

    /// Keeps those readers for which the closure holds.
    mutating func keepReaders(_ isKept: (String) -> Bool) {
        readers.removeAll { !isKept($0) }
        for type in types.keys { types[type]?.readers?.removeAll { !isKept($0) } }
    }
}
