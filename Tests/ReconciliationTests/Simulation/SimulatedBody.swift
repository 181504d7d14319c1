import Cryptography

/// What the bodies of simulated entries say: nothing, who may hold the log, or that a sealed part exists for some nodes.
enum SimulatedBody {
    case plain
    case members(Set<Int>)
    case sealed(Set<Int>)

    /// The number makes every body another one.
    func bytes(number: UInt64) -> [UInt8] {
        let number = withUnsafeBytes(of: number.bigEndian) { Array($0) }
        return switch self {
        case .plain: [0] + number
        case .members(let nodes): [1] + number + nodes.sorted().map { UInt8($0) }
        case .sealed(let nodes): [2] + number + nodes.sorted().map { UInt8($0) }
        }
    }

    init?(_ bytes: [UInt8]) {
        let nodes = Set(bytes.dropFirst(9).map { Int($0) })
        switch bytes.first {
        case 0: self = .plain
        case 1: self = .members(nodes)
        case 2: self = .sealed(nodes)
        default: return nil
        }
    }

    /// The sealed part that a body names.
    static func blob(of body: [UInt8]) -> [UInt8] { [0xB1] + SHA256.hash(body).bytes }
}
