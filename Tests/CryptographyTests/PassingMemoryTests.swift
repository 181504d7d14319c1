import Cryptography
import Testing

/// Secrets that live for an instant share guarded memory, one after another, and leave nothing to the next.
@Suite(.serialized) struct PassingMemoryTests {
    private func address(_ secret: SecretBytes) -> UInt {
        secret.withUnsafeBytes { UInt(bitPattern: $0.baseAddress) }
    }

    @Test func aSecretIsWipedWhenItGoes() throws {
        // Several sizes, so that the end of a slot is looked at too.
        for count in [1, 32, 511, 512] {
            var text = [UInt8](repeating: 0xA5, count: count)
            var secret: SecretBytes? = try SecretBytes(wiping: &text, isPassing: true)
            #expect(text.allSatisfy { $0 == 0 })
            let held = try #require(secret.map(address))
            #expect(secret?.withUnsafeBytes { $0.allSatisfy { $0 == 0xA5 } } == true)
            secret = nil
            // Slots are kept, so that this memory may still be read.
            let pointer = try #require(UnsafeRawPointer(bitPattern: held))
            let left = UnsafeRawBufferPointer(start: pointer, count: count)
            #expect(left.allSatisfy { $0 == 0 })
        }
    }

    @Test func whatFailsWhileItIsWrittenIsWipedToo() throws {
        struct Stop: Error {}
        var held: UInt = 0
        #expect(throws: Stop.self) {
            _ = try SecretBytes(count: 64, isPassing: true) { target in
                for index in target.indices { target[index] = 0x5A }
                held = UInt(bitPattern: target.baseAddress)
                throw Stop()
            }
        }
        let pointer = try #require(UnsafeRawPointer(bitPattern: held))
        #expect(UnsafeRawBufferPointer(start: pointer, count: 64).allSatisfy { $0 == 0 })
    }

    @Test func secretsThatLiveAtOnceShareNothing() throws {
        // More than there are slots: the rest has memory of its own, as have large ones.
        let secrets = try (0..<2_000).map { number in
            var bytes = [UInt8](repeating: UInt8(number & 0xFF), count: number.isMultiple(of: 50) ? 5_000 : 100)
            return try SecretBytes(wiping: &bytes, isPassing: true)
        }
        #expect(Set(secrets.map(address)).count == secrets.count)
        for (number, secret) in secrets.enumerated() {
            #expect(secret.withUnsafeBytes { $0.allSatisfy { $0 == UInt8(number & 0xFF) } })
        }
    }

    @Test func manyThreadsTakeAndGiveBack() async throws {
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for thread in UInt8(1)...8 {
                group.addTask {
                    for round in 0..<2_000 {
                        var bytes = [UInt8](repeating: thread, count: round % 600)
                        let secret = try SecretBytes(wiping: &bytes, isPassing: true)
                        guard secret.withUnsafeBytes({ $0.allSatisfy { $0 == thread } }) else { return false }
                    }
                    return true
                }
            }
            for try await isWhole in group { #expect(isWhole) }
        }
    }

    @Test func aSlotIsZerosForItsNextOwnerWhateverWasInIt() throws {
        var held: Set<UInt> = []
        for round in 0..<100 {
            let secret = try SecretBytes(count: 100 + round, isPassing: true) { target in
                // Nothing of the one before, which was shorter or longer.
                #expect(target.allSatisfy { $0 == 0 })
                for index in target.indices { target[index] = 0xA5 }
            }
            held.insert(address(secret))
        }
        // One slot served them all, or this shows nothing.
        #expect(held.count < 100)
    }

    @Test func whatIsWrittenBeyondASecretEndsTheProcess() async {
        for count in [32, 512] {
            await #expect(processExitsWith: .failure) { [count = count as Int] in
                _ = try SecretBytes(count: count, isPassing: true) { target in
                    (target.baseAddress.map { $0 + target.count })?.storeBytes(of: 1, as: UInt8.self)
                }
            }
            // What is written within it does not.
            await #expect(processExitsWith: .success) { [count = count as Int] in
                _ = try SecretBytes(count: count, isPassing: true) { target in
                    for index in target.indices { target[index] = 1 }
                }
            }
        }
    }
}
