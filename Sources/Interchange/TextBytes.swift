/// Bytes of a text as other systems write it.
public enum TextBytes {
    /// Without the byte order mark that some programs put in front of UTF-8.
    public static func withoutMark(_ bytes: [UInt8]) -> [UInt8] {
        bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? Array(bytes.dropFirst(3)) : bytes
    }

    /// Without that mark, and with line breaks as here. To YAML a carriage return is a line break, too.
    static func normalised(_ bytes: [UInt8]) -> [UInt8] {
        let bytes = withoutMark(bytes)
        guard bytes.contains(0x0D) else { return bytes }
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        var isAfterReturn = false
        for byte in bytes {
            if byte == 0x0D {
                result.append(0x0A)
            } else if byte != 0x0A || !isAfterReturn {
                result.append(byte)
            }
            isAfterReturn = byte == 0x0D
        }
        return result
    }
}
