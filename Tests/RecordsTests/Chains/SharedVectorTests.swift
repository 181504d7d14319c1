import Foundation
import Records
import Testing

/// A JSON object of tickers and their valid addresses, outside of this package.
private let vectorFile: URL = {
    if let folder = ProcessInfo.processInfo.environment["ENTENTE_VECTORS"] {
        return URL(filePath: folder).appending(path: "addresses.json")
    }
    return URL(filePath: #filePath).appending(path: "../../../../../shared/vectors/addresses.json").standardized
}()

private let vectorsArePresent = FileManager.default.fileExists(atPath: vectorFile.path)

@Suite("Shared address vectors")
struct SharedVectorTests {
    @Test(
        "every valid example of every chain passes the check of its chain",
        .enabled(if: vectorsArePresent, "addresses.json is absent: point ENTENTE_VECTORS at its folder"))
    func validExamples() throws {
        let vectors = try JSONDecoder().decode([String: [String]].self, from: Data(contentsOf: vectorFile))
        #expect(!vectors.isEmpty)
        for (ticker, addresses) in vectors {
            let chain = try #require(Chain.resolve(ticker), "\(ticker)")
            // Solana's form is the only one of these without a checksum.
            let expected: AddressVerdict = ticker == "SOL" ? .unchecked : .valid
            for address in addresses {
                #expect(AddressCheck.verdict(address, on: chain) == expected, "\(ticker) \(address)")
                #expect(AddressCheck.chains(plausibleFor: address).contains(chain), "\(ticker) \(address)")
            }
        }
    }
}
