import Testing

/// The real program over the kernel's own TCP, on a link that is long and loses packets, also where the kernel has no
/// netem.
@Suite(.serialized, .enabled(if: NetworkLab.obstacle == nil, "skipped: \(NetworkLab.obstacle ?? "")"))
struct LossyLinkTests {
    @Test func twoPacketsOfAHundredLostOverTwoHundredMillisecondsLoseNoRecord() throws {
        let lab = try NetworkLab(.init(delay: 100, loss: 2))
        let place = try Place()
        for (name, address) in zip(["us", "kr"], NetworkLab.addresses) {
            try place.must(
                name, "init", "--node", "\(name).example", "--community", "krus", "--listen", "\(address):7962",
                "--endpoint", "\(address):7962")
            _ = try place.file("\(name).yaml", try place.must(name, "identity").output)
        }
        try place.must("us", "peer", "add", "\(place.path)/kr.yaml")
        try place.must("kr", "peer", "add", "\(place.path)/us.yaml")
        let size = try place.fill("us", records: 5_000)
        try place.serve("us", inside: lab.name(of: 0))
        let outcome = try Entente.run(["--home", "\(place.path)/kr", "sync", "--json"], inside: lab.name(of: 1))
        #expect(outcome.status == 0, "\(outcome.errors)\(outcome.output)")
        #expect(outcome.objects.first?["received"] as? Int == size)
        let origin = "us.example/krus"
        let roots = try ["us", "kr"].map { try place.log(origin, at: $0)?["root"] as? String }
        #expect(roots[0] != nil && roots[0] == roots[1])
        try place.expectSound("kr")
        #expect(lab.link.lost > 0, "the link was better than it was to be")
        place.stop()
    }
}
