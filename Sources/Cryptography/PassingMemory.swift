import CSodium
import Synchronization

/// Guarded memory for secrets that live for an instant: keys and values on their way through one envelope.
///
/// A guarded allocation costs some ten system calls, and sealing one record takes a dozen of them: more time than all
/// of its cryptography. So a few allocations are cut into slots here, and slots are used again. The memory has the
/// same lock, guard pages and exclusion from core dumps as any secret's; what a slot lacks is guard pages and write
/// protection of its own, which secrets that stay do have. docs/decisions/0001-passing-secrets-share-memory.md says
/// what that gives up.
///
/// A slot has one owner at a time, and is zeros throughout whenever it has none.
final class PassingMemory: Sendable {
    static let shared = PassingMemory()

    /// Larger secrets get an allocation of their own.
    static let slotByteCount = 512
    /// Between slots; what is written there was written beyond a secret.
    private static let marginByteCount = 16
    private static let stride = slotByteCount + marginByteCount
    /// As many as eight pages hold.
    private static let slotsPerSlab = 62
    /// Beyond so many, allocations of their own serve: what was taken once is kept.
    private static let maximumSlabCount = 16

    private struct State {
        /// Addresses of free slots. Numbers, as pointers are not sendable.
        var free: [UInt] = []
        var slabCount = 0
    }

    private let state = Mutex(State())

    /// A slot of zeros, or `nil` where this secret needs an allocation of its own.
    func take(_ count: Int) -> UnsafeMutableRawPointer? {
        guard count <= PassingMemory.slotByteCount else { return nil }
        return state.withLock { state in
            if state.free.isEmpty { PassingMemory.grow(&state) }
            return state.free.popLast().flatMap { UnsafeMutableRawPointer(bitPattern: $0) }
        }
    }

    /// Wipes a slot that ``take(_:)`` gave for so many bytes, and keeps it for the next secret. Ends the process where
    /// more was written, as libsodium does when it frees an allocation: other secrets may be overwritten by then.
    func giveBack(_ pointer: UnsafeMutableRawPointer, used count: Int) {
        let rest = (pointer + count).assumingMemoryBound(to: UInt8.self)
        let isIntact = sodium_is_zero(rest, PassingMemory.stride - count) == 1
        sodium_memzero(pointer, PassingMemory.stride)
        precondition(isIntact, "something was written beyond the end of a secret")
        state.withLock { $0.free.append(UInt(bitPattern: pointer)) }
    }

    private static func grow(_ state: inout State) {
        guard state.slabCount < maximumSlabCount, let slab = sodium_malloc(stride * slotsPerSlab) else { return }
        ProcessMemory.checkLock(of: slab, count: stride * slotsPerSlab)
        // Fresh guarded memory is filled with a pattern.
        sodium_memzero(slab, stride * slotsPerSlab)
        state.slabCount += 1
        state.free += (0..<slotsPerSlab).map { UInt(bitPattern: slab + $0 * stride) }
    }
}
