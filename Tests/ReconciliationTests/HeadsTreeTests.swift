import Cryptography
import Reconciliation
import Testing

@Suite("The tree over heads")
struct HeadsTreeTests {
    /// The tree by its definition, without sharing anything with the code under test.
    private func naive(_ heads: [Head], depth: Int = 0) -> SHA256Digest {
        let sorted = heads.filter { $0.size > 0 }.sorted { $0.log.hex < $1.log.hex }
        if sorted.count <= 16 || depth == 64 {
            var bytes: [UInt8] = [2]
            for head in sorted {
                bytes += head.log.bytes
                for shift in stride(from: 56, through: 0, by: -8) {
                    bytes.append(UInt8(truncatingIfNeeded: head.size >> UInt64(shift)))
                }
                bytes += head.root.bytes + head.beside.bytes
            }
            return SHA256.hash(bytes)
        }
        var bytes: [UInt8] = [3]
        for digit in "0123456789abcdef" {
            bytes += naive(sorted.filter { Array($0.log.hex)[depth] == digit }, depth: depth + 1).bytes
        }
        return SHA256.hash(bytes)
    }

    @Test("It is what its definition says", arguments: [0, 1, 2, 15, 16, 17, 18, 100, 600])
    func definition(count: Int) {
        var random = SplitMix64(UInt64(count))
        let heads = (0..<count).map { _ in random.head() }
        #expect(HeadsTree(heads).root == naive(heads))
        #expect(HeadsTree(heads.shuffled(using: &random)).root == naive(heads))
    }

    @Test("Logs that share many digits of their ids are told apart")
    func longPrefixes() {
        var random = SplitMix64(7)
        let heads = (0..<40).map { number -> Head in
            var bytes = [UInt8](repeating: 0xAB, count: 32)
            bytes[31] = UInt8(number)
            return random.head(log: SHA256Digest(bytes) ?? .zero)
        }
        #expect(HeadsTree(heads).root == naive(heads))
    }

    @Test(
        "Every size, root and digest of what lies beside counts; logs without entries and interrupted transfers do not")
    func whatCounts() {
        var random = SplitMix64(3)
        let heads = (0..<30).map { _ in random.head() }
        let root = HeadsTree(heads).root
        for position in heads.indices {
            let head = heads[position]
            for changed in [
                Head(log: head.log, size: head.size + 1, root: head.root, beside: head.beside),
                Head(log: head.log, size: head.size, root: random.digest(), beside: head.beside),
                Head(log: head.log, size: head.size, root: head.root, beside: random.digest()),
            ] {
                var others = heads
                others[position] = changed
                #expect(HeadsTree(others).root != root)
            }
            var others = heads
            others[position] = Head(
                log: head.log, size: head.size, root: head.root, pinnedSize: 5_000_000, beside: head.beside)
            #expect(HeadsTree(others).root == root)
        }
        #expect(HeadsTree(heads + [Head(log: random.digest(), size: 0, root: .zero)]).root == root)
    }

    @Test("Ranges hash to the range above them, and hold its heads")
    func ranges() throws {
        var random = SplitMix64(11)
        let heads = (0..<2_000).map { _ in random.head() }
        let tree = HeadsTree(heads)
        func check(_ range: IDRange) throws {
            #expect(Set(tree.heads(in: range)) == Set(heads.filter { range.contains($0.log) }))
            guard let children = tree.children(of: range) else {
                #expect(tree.hash(of: range) == HeadsTree.hash(leaf: tree.heads(in: range)))
                return
            }
            #expect(HeadsTree.hash(children: children) == tree.hash(of: range))
            for digit in 0..<16 {
                #expect(tree.hash(of: range.child(digit)) == children[digit])
                try check(range.child(digit))
            }
        }
        try check(IDRange())
    }
}
