import GatewayClient
import Testing

@testable import ClientCommands

@Suite struct CreateTests {
    @Test func howToGoOnIsSaid() {
        #expect(
            CreateCommand.accepted("e", "k1", into: nil)
                == "e: accepted. To go on with it: exports watch e, or the same command with --idempotency-key k1"
        )
        #expect(
            CreateCommand.accepted("e", "-it's", into: "my files")
                == "e: accepted. To go on with it: exports download e 'my files' --wait, "
                + #"or the same command with --idempotency-key='-it'\''s'"#
        )
    }

    @Test(arguments: [
        (GatewayClientError.unreachable(""), true), (.silent(""), true), (.unexpectedAnswer(""), true),
        (.untrusted(""), false),
    ])
    func whatIsNoRefusalMayHaveCreatedIt(error: GatewayClientError, may: Bool) {
        #expect(CreateCommand.mayHaveCreated(error) == may)
        #expect(CreateCommand.mayHaveCreated(CancellationError()))
    }
}
