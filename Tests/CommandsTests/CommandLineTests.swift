import Foundation
import Testing

/// Help, completion and usage errors.
@Suite struct CommandLineTests {
    @Test(arguments: [
        ["init"], ["community", "add"], ["community", "list"], ["community", "remove"], ["identity"], ["peer", "add"],
        ["peer", "list"], ["peer", "show"], ["peer", "remove"], ["submit"], ["import"], ["search"], ["show"], ["sync"],
        ["run"], ["status"], ["verify"], ["prove"], ["bench"],
        ["demo"], ["assess"], ["withdraw"],
    ])
    func helpHasExamples(_ command: [String]) throws {
        let outcome = try Entente.run(["help"] + command)
        #expect(outcome.status == 0)
        #expect(outcome.output.contains("EXAMPLE"), "\(outcome.output)")
        #expect(outcome.output.contains("  entente \(command.joined(separator: " "))"), "\(outcome.output)")
    }

    @Test(arguments: ["bash", "zsh", "fish"])
    func completionScriptsNameTheCommands(_ shell: String) throws {
        let script = try Entente.run(["--generate-completion-script", shell])
        #expect(script.status == 0)
        for name in ["entente", "submit", "import", "dry-run"] { #expect(script.output.contains(name)) }
        let program = "/bin/\(shell)"
        guard FileManager.default.isExecutableFile(atPath: program) else { return }
        let place = try Place()
        let check = Process()
        check.executableURL = URL(fileURLWithPath: program)
        check.arguments = ["-n", try place.file("completion", script.output)]
        try check.run()
        check.waitUntilExit()
        #expect(check.terminationStatus == 0)
    }

    @Test(arguments: [
        ["nonsense"], ["search", "--limit", "0"], ["search", "--limit", "many"], ["show"], ["submit"],
        ["submit", "attribution", "--unknown"], ["show", "us.example"], ["init"],
    ])
    func aUsageErrorIsOneLineAnd64(_ arguments: [String]) throws {
        let place = try Place()
        try place.found("us")
        let outcome = try Entente.run(["--home", "\(place.path)/us"] + arguments)
        #expect(outcome.status == 64, "\(outcome.errors)")
        #expect(outcome.output.isEmpty)
        #expect(outcome.errors.hasPrefix("entente: "), "\(outcome.errors)")
        outcome.expectOneLine("\(arguments)")
    }
}
