import Cryptography

import struct FoundationEssentials.Data

extension SHA256Digest {
    /// The digest as a field of a protobuf message.
    var wire: Data { Data(bytes) }
}
