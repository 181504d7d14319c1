import COpenSSL

/// Where OpenSSL keeps private keys and what it computes with them: memory of its own between guard pages, locked where
/// the system allows it, left out of core files, and wiped when it is given back.
public enum SecureHeap {
    /// A key takes some hundred bytes, and so does a handshake while it lasts.
    private static let byteCount = 1 << 20
    private static let minimumByteCount = 32

    private enum State {
        case locked
        case unlocked
        /// OpenSSL uses the ordinary heap.
        case missing
    }

    private static let state: State = {
        // Not all that it has of a key while it reads one is in that memory.
        _ = entente_wipe_what_is_freed()
        return switch CRYPTO_secure_malloc_init(byteCount, minimumByteCount) {
        case 1: .locked
        case 2: .unlocked
        default: CRYPTO_secure_malloc_initialized() == 1 ? .locked : .missing
        }
    }()

    /// Before OpenSSL is used for anything: what it takes from the ordinary heap stays there.
    static func start() { _ = state }

    /// Whether keys of this process can be written to the swap space.
    public static var isUnlocked: Bool { state != .locked }
}
