import CSodium
import Synchronization

/// Guarded memory for secrets that live for an instant: keys and values on their way through one envelope.
///
/// A guarded allocation costs some ten system calls, and sealing one record takes a dozen of them: more time than all
/// of its cryptography. So a few allocations are cut into slots here, and slots are used again. The memory has the
/// same lock, guard pages and exclusion from core dumps as any secret's; what a slot lacks is guard pages and write
/// protection of its own, which secrets that stay do have.
final class PassingMemory: Sendable {
    static let shared = PassingMemory()

    /// Larger secrets get an allocation of their own.
    static let slotByteCount = 512
    private static let slotsPerSlab = 64
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

    /// Wipes a slot that ``take(_:)`` gave, of which so many bytes were used, and keeps it for the next secret.
    func giveBack(_ pointer: UnsafeMutableRawPointer, used count: Int) {
        sodium_memzero(pointer, count)
        state.withLock { $0.free.append(UInt(bitPattern: pointer)) }
    }

    private static func grow(_ state: inout State) {
        guard state.slabCount < maximumSlabCount, let slab = sodium_malloc(slotByteCount * slotsPerSlab) else { return }
        // Fresh guarded memory is filled with a pattern.
        sodium_memzero(slab, slotByteCount * slotsPerSlab)
        state.slabCount += 1
        state.free += (0..<slotsPerSlab).map { UInt(bitPattern: slab + $0 * slotByteCount) }
    }
}
