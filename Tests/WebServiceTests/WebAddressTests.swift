import Testing
import WebService

@Suite struct WebAddressTests {
    @Test(arguments: [
        ("https://node.us.example", "node.us.example", 443, "/"),
        ("https://node.us.example:7963/", "node.us.example", 7963, "/"),
        ("HTTPS://127.0.0.1:1/tiles/krus", "127.0.0.1", 1, "/tiles/krus/"),
        ("https://[::1]:7963/a/", "::1", 7963, "/a/"), ("https://[::1]", "::1", 443, "/"),
    ]) func anAddressIsReadAndWrittenBack(text: String, host: String, port: Int, path: String) throws {
        let address = try #require(WebAddress(text))
        #expect(address.host == host && address.port == port && address.path == path)
        #expect(WebAddress(address.description) == address)
    }

    @Test(arguments: [
        "", "https://", "http://node.us.example/", "ftp://x", "https://:443/", "https://x:0/", "https://x:65536/",
        "https://x:/", "https://x:12a/", "https://u@x/", "https://x/?q", "https://x/#f", "https://x/a b",
        "https://[::1/",
        "https://x]:1/", "https://[::1]x/", "https://x/\r\nHost: y", "https://x/é",
    ]) func anythingElseIsRefused(text: String) {
        #expect(WebAddress(text) == nil)
    }
}
