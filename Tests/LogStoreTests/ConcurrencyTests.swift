import Cryptography
import Dispatch
import Glibc
import LogStore
import Synchronization
import Testing
import TransparencyLog

@Suite("Several processes and crashes")
struct ConcurrencyTests {
    @Test("Stores open on the same files append at once: no entry is lost or doubled, and no size has two roots")
    func appendsAtOnce() throws {
        let folder = try StoreFolder()
        let first = try folder.open()
        try first.createOwn()
        let stores = [first, try folder.open(), try folder.open()]
        let answers = Mutex<[(body: [UInt8], index: UInt64)]>([])
        let signed = Mutex<[UInt64: Set<SHA256Digest>]>([:])
        let failures = Mutex<[String]>([])
        let rounds = 40
        DispatchQueue.concurrentPerform(iterations: stores.count * 2) { writer in
            for round in 0..<rounds {
                let bodies = makeBodies(0..<(1 + (round * 7 + writer) % 23), seed: "w\(writer) r\(round)")
                do {
                    let result = try stores[writer / 2].append(
                        bodies.map { NewEntry(body: $0) }, to: origin,
                        options: AppendOptions { size, root in
                            signed.withLock { _ = $0[size, default: []].insert(root) }
                            return sign(size, root)
                        })
                    answers.withLock { answers in
                        for (body, outcome) in zip(bodies, result.outcomes) {
                            if case .appended(let index, _) = outcome { answers.append((body, index)) }
                        }
                    }
                } catch {
                    failures.withLock { $0.append("\(error)") }
                }
            }
        }
        #expect(failures.withLock { $0 } == [])
        let shown = answers.withLock { $0.sorted { $0.index < $1.index } }
        let size = try #require(try first.log(origin)?.size)
        #expect(shown.map(\.index) == Array(0..<size))
        for (size, roots) in signed.withLock({ $0 }) { #expect(roots.count == 1, "size \(size)") }
        #expect(try first.checkpoints(of: logID).count == stores.count * 2 * rounds)
        try checkInvariants(first, bodies: shown.map(\.body))
        for store in stores { #expect(try store.rollbacks().isEmpty) }
    }

    @Test("A log that grows is never taken for one that was put back by whoever opens it meanwhile")
    func opensAtOnce() throws {
        let folder = try StoreFolder()
        let first = try folder.open()
        try first.createOwn()
        let writing = Mutex(2)
        let failures = Mutex<[String]>([])
        // Threads of their own, more than there are cores, so that each is stopped anywhere.
        let threads = (0..<18).map { worker in
            Thread {
                do {
                    if worker < 2 {
                        defer { writing.withLock { $0 -= 1 } }
                        let store = try folder.open()
                        for index in 0..<60 { try store.append(makeBodies(index..<(index + 1), seed: "\(worker)")) }
                    } else {
                        let store = try folder.open()
                        while writing.withLock({ $0 > 0 }) {
                            let problems = try store.rollbacks()
                            if !problems.isEmpty { failures.withLock { $0.append("\(problems)") } }
                            try store.checkSigned(logID)
                        }
                    }
                } catch {
                    failures.withLock { $0.append("\(error)") }
                }
            }
        }
        for thread in threads { thread.join() }
        #expect(failures.withLock { $0 } == [])
        #expect(try first.log(origin)?.size == 120)
    }

    @Test("Cosigning from two stores at once never shows one behind another")
    func cosignsAtOnce() throws {
        let folder = try StoreFolder()
        let store = try folder.open()
        try store.createOwn()
        var heads: [SignedHead] = []
        for index in 0..<60 { heads.append(try store.append(makeBodies(index..<(index + 1)))) }
        let all = heads
        let stores = [store, try folder.open()]
        let shown = Mutex<[(store: Int, size: UInt64, time: UInt64)]>([])
        DispatchQueue.concurrentPerform(iterations: 2) { writer in
            for (round, head) in all.enumerated() where round % 2 == writer {
                guard let time = try? stores[writer].markCosigned(head, of: logID, time: UInt64(1_000 + round / 2))
                else { continue }
                shown.withLock { $0.append((writer, head.size, time)) }
            }
        }
        let answers = shown.withLock { $0 }
        #expect(!answers.isEmpty)
        // In the order of size times never decrease, whoever signed.
        let times = answers.sorted { $0.size < $1.size }.map(\.time)
        #expect(times == times.sorted())
        #expect(try store.lastCosigned(logID) == times.last)
    }

    @Test("What kill -9 leaves at any moment opens as a sound log that has all that was answered before")
    func killedAtAnyMoment() throws {
        let folder = try StoreFolder()
        let store = try folder.open()
        try store.createOwn()
        let answered = Atomic<Int>(0)
        let isDone = Atomic<Bool>(false)
        let failure = Mutex<String?>(nil)
        let total = 6_000
        let bodies = makeBodies(0..<total)
        let writer = Thread {
            var start = 0
            do {
                while start < total {
                    let end = min(total, start + 1 + (start * 31) % 97)
                    try store.append(Array(bodies[start..<end]))
                    answered.store(end, ordering: .releasing)
                    start = end
                }
            } catch {
                failure.withLock { $0 = "\(error)" }
            }
            isDone.store(true, ordering: .releasing)
        }
        var copies = 0
        while !isDone.load(ordering: .acquiring) {
            usleep(UInt32.random(in: 0...8_000))
            let copy = try StoreFolder()
            let before = answered.load(ordering: .acquiring)
            // The marks first: they are raised last, so an older copy of them is what a crash leaves. The main file
            // changes only in checkpoints of the write-ahead log, which this little data never causes.
            folder.copy(["signed.sqlite", "signed.sqlite-wal"], to: copy)
            folder.copy(["node.sqlite", "node.sqlite-wal"], to: copy)
            guard before > 0 else { continue }
            let killed = try copy.open()
            let size = try Int(#require(try killed.log(origin)).size)
            #expect(size >= before)
            try checkInvariants(killed, bodies: Array(bodies[..<size]))
            let head = try killed.append([[1, 2, 3]])
            #expect(head.size == UInt64(size + 1))
            copies += 1
        }
        writer.join()
        #expect(failure.withLock { $0 } == nil)
        #expect(copies > 0)
        try checkInvariants(store, bodies: bodies)
    }
}

/// A thread of its own, for work that blocks.
final class Thread: Sendable {
    private let group = DispatchGroup()

    init(_ body: @escaping @Sendable () -> Void) {
        let queue = DispatchQueue(label: "test thread")
        queue.async(group: group, execute: DispatchWorkItem(block: body))
    }

    func join() { group.wait() }
}
