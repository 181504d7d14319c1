import ArgumentParser
import Home
import LogStore
import NodeService
import Records

struct GrantCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "grant",
        abstract: "Open the sealed fields of a record of this node to further members.",
        discussion: """
            They get the sealed part as it is and read what the first readers read. What they have read cannot be taken \
            back.

            EXAMPLES
              entente grant us.example/krus#1042 --to jp.example
            """)

    @OptionGroup var global: GlobalOptions
    @Argument(help: "The record.")
    var reference: String
    @Option(help: ArgumentHelp("A member that may open the sealed fields from now on; may repeat.", valueName: "node"))
    var to: [String] = []

    func validate() throws {
        guard !to.isEmpty else { throw ValidationError("name with --to who may open it") }
    }

    func run() throws {
        let node = try global.open()
        let target = try node.target(reference)
        let community = try node.community(target.reference.origin.community.text)
        let body = try node.grantRecord(
            of: target, to: to, in: community, author: Clock.user, time: Clock.timestamp)
        let submission = try Submission(node: node, community: community, author: Clock.user)
        let outcome = try submission.append([NewEntry(body: body)]) { [to] _ in
            try node.checkGrant(of: target, to: to, in: community)
        }.first
        outcome?.show(origin: node.origin(of: community.name), json: global.json)
    }
}
