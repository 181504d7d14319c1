import ArgumentParser
import Home
import LogStore
import NodeService
import Records

struct CommunityCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "community",
        abstract: "The communities that this node is in.",
        subcommands: [Add.self, List.self, Remove.self, Successor.self, CommunityWitnessCommand.self],
        defaultSubcommand: List.self)

    struct Add: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Join a community: a log of this node in it, and a key for that log.",
            discussion: """
                EXAMPLES
                  entente community add asia
                  entente community add asia/2   # in a new home, where the keys of this node's first log in it are lost
                """)

        @OptionGroup var global: GlobalOptions
        @Argument(
            help: ArgumentHelp(
                "The community: lower-case letters, digits, hyphens; at most 32. With /2 and so on: a log behind lost ones.",
                valueName: "name"))
        var community: String

        func run() throws {
            let node = try global.open()
            let argument = try CommunityArgument(parsing: community)
            let name = argument.name
            if node.configuration.community(name) != nil {
                // Unless a crash came between that and the first record of its log.
                guard try node.store.log(node.origin(of: name))?.size ?? 0 == 0 else {
                    throw CommandFailure(.exists, "this node is in \(name) already")
                }
            } else {
                try node.makeLogKey(community: name, generation: argument.generation)
                try node.home.updateConfiguration {
                    $0.communities.append(CommunityConfiguration(name: name, members: [node.name]))
                }
            }
            // Which of its logs it writes there is known from now on.
            let joined = try node.refreshed()
            try joined.createOwnLog(name)
            try joined.publishMembers(of: name, author: Clock.user, time: Clock.timestamp)
            try joined.publishKeys(in: name, author: Clock.user, time: Clock.timestamp)
            try show(try global.open(), [name], json: global.json)
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List the communities with their members.",
            discussion: """
                EXAMPLE
                  entente community list --json
                """)

        @OptionGroup var global: GlobalOptions

        func run() throws {
            let node = try global.open()
            try show(node, node.configuration.communities.map(\.name), json: global.json)
        }
    }

    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Leave a community: nothing of it is exchanged any more. Its logs stay on this node.",
            discussion: """
                EXAMPLE
                  entente community remove asia
                """)

        @OptionGroup var global: GlobalOptions
        @Argument(help: "The community.")
        var name: String

        func run() throws {
            let node = try global.open()
            _ = try node.community(name)
            let changed = try node.home.updateConfiguration { $0.leave(name) }
            try node.store.forgetAgreements()
            NodeBell.ring(node.home)
            LostReaders.note(before: node.configuration.sealing, after: changed.sealing)
            // As it was when this node left it.
            if global.json { try show(node, [name], json: true) } else { Output.line("left \(name)") }
        }
    }

    struct Successor: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Go on in a new log after this node's log in a community forked, or is lost, or its key.",
            discussion: """
                A log of which two histories were signed is never written again, and no alarm that is acknowledged \
                changes that. The successor is a log with a key of its own; its first record names the evidence. Give \
                partners the new card (`entente identity`).

                EXAMPLES
                  entente community successor krus
                  entente community successor krus --abandon   # the log was lost and no partner has it, or its key was
                """)

        @OptionGroup var global: GlobalOptions
        @Argument(help: "The community.")
        var name: String
        @Flag(help: "Give up a log that did not fork but cannot be recovered, or whose key, or a successor's, is lost.")
        var abandon = false

        func run() throws {
            let opened = try global.open()
            let before = opened.origin(of: name)
            let loss = abandon ? opened.lossOfGivingUp(before, try opened.entriesNobodyElseHas(community: name)) : nil
            let node = try opened.openSuccessor(
                of: name, abandoning: abandon, author: Clock.user, time: Clock.timestamp)
            if let loss, node.origin(of: name) != before { Output.note(loss) }
            NodeBell.ring(node.home)
            try show(node, [name], json: global.json)
            if !global.json {
                Output.note("next: `entente identity` prints the new card; partners `entente peer add --replace` it")
            }
        }
    }

    private static func show(_ node: Node, _ names: [String], json: Bool) throws {
        if json {
            for name in names {
                let members = node.configuration.community(name)?.members ?? []
                Output.json(
                    [
                        JSONMember("community", .string(name)),
                        JSONMember("members", .array(members.map { .string($0) })),
                    ] + (try node.logMembers(name)))
            }
            return
        }
        var table = Table("COMMUNITY", "LOG", "MEMBERS")
        for name in names {
            let members = node.configuration.community(name)?.members ?? []
            table.add(name, node.origin(of: name), members.joined(separator: ", "))
        }
        table.print()
    }
}
