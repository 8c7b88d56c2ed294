import ArgumentParser

/// Says where the sandbox is, to scripts that look for it here.
struct Sandbox: ParsableCommand {
    static let configuration = CommandConfiguration(shouldDisplay: false)

    @Argument(parsing: .captureForPassthrough)
    var arguments: [String] = []

    func run() throws { throw ValidationError("the sandbox is another program: export-gateway-sandbox sandbox") }
}

/// Says where the demo is, to scripts that look for it here.
struct Demo: ParsableCommand {
    static let configuration = CommandConfiguration(shouldDisplay: false)

    @Argument(parsing: .captureForPassthrough)
    var arguments: [String] = []

    func run() throws { throw ValidationError("the demo is in another program: export-gateway-sandbox demo") }
}
