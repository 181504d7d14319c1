import ArgumentParser
import Home
import LogStore
import NodeService
import Records

struct EraseCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "erase",
        abstract: "Have the sealed part of a record of this node deleted, here and by every holder, for good.",
        discussion: """
            The record stays in the log, without its sealed values. Partners delete the sealed part when the erasure \
            reaches them; `entente show` says who has confirmed. Nothing brings the values back: it is asked first, and \
            without a terminal --yes is needed.

            From then on the record is not known as a double: importing the source that has it writes it again, in a new \
            entry. Take it out of the source first.

            EXAMPLES
              entente erase us.example/krus#1042 --reason 'court order 2026-118'
              entente erase us.example/krus#1042 --yes
            """)

    @OptionGroup var global: GlobalOptions
    @Argument(help: "The record.")
    var reference: String
    @Option(help: "Why; every member can read it.")
    var reason: String?
    @Flag(help: "Do not ask.")
    var yes = false

    func run() throws {
        let node = try global.open()
        let target = try node.target(reference)
        let community = try node.community(target.reference.origin.community.text)
        let body = try node.erasureRecord(
            of: target, in: community, reason: reason, author: Clock.user, time: Clock.timestamp)
        if !yes {
            try Confirmation.ask(
                "the sealed values of \(target.reference.text) go for good, here and at every holder", "Erase them?")
        }
        let submission = try Submission(node: node, community: community, author: Clock.user)
        let outcome = try submission.append([NewEntry(body: body)]) { _ in
            try node.checkErasure(of: target, in: community)
        }.first
        // It is erased; where this fails, the next search does it.
        try? node.forgetErasedValues()
        outcome?.show(origin: node.origin(of: community.name), json: global.json)
        Output.note("its source, imported again, would write it anew: take it out of there too")
    }
}
