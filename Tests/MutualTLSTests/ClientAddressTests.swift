import MutualTLS
import NIOCore
import Testing

/// Clients that show no certificate are limited by what they cannot have many of.
@Suite struct ClientAddressTests {
    @Test(arguments: [
        ("192.0.2.7", "192.0.2.7"), ("::ffff:192.0.2.7", "192.0.2.7"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"), ("2001:db8:1:3::", "2001:db8:1:3::/64"), ("::1", "0:0:0:0::/64"),
    ])
    func oneHasOneName(address: String, client: String) throws {
        #expect(try SocketAddress(ipAddress: address, port: 1).client == client)
    }
}
