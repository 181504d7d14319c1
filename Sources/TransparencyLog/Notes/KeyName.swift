/// The rules for key names and origins (c2sp.org/signed-note): not empty, no Unicode space, no plus sign.
public enum KeyName {
    /// The longest name accepted, in bytes of UTF-8.
    public static let maximumByteCount = 1_024

    /// Whether the text can be a key name or an origin.
    public static func isValid(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.count <= maximumByteCount
            && name.unicodeScalars.allSatisfy { scalar in
                scalar.value >= 0x20 && scalar != "+" && !scalar.properties.isWhitespace
            }
    }

    static func check(_ name: String) throws {
        guard isValid(name) else { throw NoteError.badName }
    }

    /// Whether two names have the same bytes. Swift's `==` calls texts equal that differ in Unicode normalisation,
    /// which a signature does not.
    package static func same(_ left: String, _ right: String) -> Bool {
        left.utf8.elementsEqual(right.utf8)
    }
}
