import ArgumentParser

/// What an operator or an auditor does with an audit trail.
struct AuditCommands: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit",
        abstract: "Checks audit trails.",
        subcommands: [AuditVerifyCommand.self]
    )
}
