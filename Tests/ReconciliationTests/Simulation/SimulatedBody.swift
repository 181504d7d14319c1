import Cryptography

/// What the bodies of simulated entries say: nothing, who may hold the log, that a sealed part exists for some
/// nodes, or that the log or its owner's mirror has a new key.
enum SimulatedBody {
    case plain
    /// The log has another key from here on: the one of this generation, from 1.
    case rotated(Int)
    /// The owner has another mirror key: the one of this generation, from 1. The one before signs nothing dated later.
    case mirror(Int, until: UInt64)
    case members(Set<Int>)
    case sealed(Set<Int>)

    /// The number makes every body another one.
    func bytes(number: UInt64) -> [UInt8] {
        let number = withUnsafeBytes(of: number.bigEndian) { Array($0) }
        return switch self {
        case .plain: [0] + number
        case .members(let nodes): [1] + number + nodes.sorted().map { UInt8($0) }
        case .sealed(let nodes): [2] + number + nodes.sorted().map { UInt8($0) }
        case .rotated(let generation): [3] + number + [UInt8(truncatingIfNeeded: generation)]
        case .mirror(let generation, let until):
            [4] + number + [UInt8(truncatingIfNeeded: generation)] + withUnsafeBytes(of: until.bigEndian) { Array($0) }
        }
    }

    init?(_ bytes: [UInt8]) {
        let nodes = Set(bytes.dropFirst(9).map { Int($0) })
        switch bytes.first {
        case 0: self = .plain
        case 1: self = .members(nodes)
        case 2: self = .sealed(nodes)
        case 3: self = .rotated(nodes.first ?? 0)
        case 4 where bytes.count == 18:
            self = .mirror(Int(bytes[9]), until: bytes[10...].reduce(0) { $0 << 8 | UInt64($1) })
        default: return nil
        }
    }

    /// The sealed part that a body names.
    static func blob(of body: [UInt8]) -> [UInt8] { [0xB1] + SHA256.hash(body).bytes }
}
