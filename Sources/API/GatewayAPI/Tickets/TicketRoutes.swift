import Audit
import CallerIdentity
import DownloadRelay
import Exports
import HTTPTypes
import Hummingbird
import JSON
import SystemCrypto

/// Download tickets: `POST /exports/{id}/files/{fileId}/tickets`, and `/tickets/{ticket}`.
struct TicketRoutes: Sendable {
    let exports: ExportRoutes
    /// Nil where no audit trail is kept.
    let audit: (any AuditService)?
    /// Nil where the operator wants no tickets.
    let lifetime: Duration?
    let seal: TicketSeal
    let time: any TimeSource
    let random: Randomness
    let uses = LiveUses()

    /// How often an earlier use is broken off for a later one, and how long each has to end.
    private static let (attempts, patience) = (3, Duration.seconds(5))

    private var service: any ExportService { exports.service }

    /// `createDownloadTicket`
    func create(_ call: Call) async throws -> Response {
        guard let lifetime else { throw Self.refused("The operator has switched download tickets off.") }
        let export = try await exports.export(of: call, for: call.viewer, pollsForFiles: true)
        let file = try export.downloadableFile(call.parameters["fileId"] ?? "")
        guard !service.needsCallerToken(for: export) else { throw Self.tokenNeeded }
        let now = time.now()
        // Not longer than the caller's own credential, and the files.
        let end = [now + lifetime, call.caller.tokenEnd, export.expiresAt].compactMap { $0 }.min() ?? now
        guard now < end else { throw Self.refused("The caller's access token ends now. Ask again with a new one.") }
        let ticket = Ticket(
            id: random.newID(at: now),
            export: export.id,
            file: file.id,
            caller: call.caller,
            expiresAt: end
        )
        // Before it is handed out: a ticket without its row would be one that nobody knows of.
        try await audit?
            .record(
                .ticket,
                .succeeded,
                by: AuditOrigin(call.viewer),
                of: export.id,
                ["ticket": ticket.id.description, "file": file.id, "expiresAt": end.description]
            )
        let href = call.links.ticket(try seal.seal(ticket))
        var response = JSONAnswer.perCaller(
            JSONWriter.object { writer in
                writer.member("id", ticket.id.description)
                writer.member("href", href)
                writer.member("expiresAt", ticket.expiresAt)
            },
            status: .created
        )
        response.headers[.location] = href
        return response
    }

    /// The ticket in a path, and its caller as the caller is now. Throws `notFound` for a text that is no ticket of this gateway and
    /// for a ticket whose caller is not accepted any more, and `ticketExpired`.
    func ticket(_ text: String?, for authentication: Authentication) throws(GatewayError) -> Ticket {
        guard lifetime != nil, var ticket = text.flatMap(seal.open) else { throw Self.unknown }
        guard time.now() < ticket.expiresAt else {
            throw GatewayError(.ticketExpired, "The ticket's time is over. Make another one.")
        }
        guard let caller = authentication.present(ticket.caller) else { throw Self.unknown }
        ticket.caller = caller
        return ticket
    }

    /// `downloadByTicket` and `headByTicket`
    func download(_ call: Call, _ method: DownloadRequest.Method) async throws -> Response {
        guard let ticket = call.ticket else { throw Self.unknown }
        let export = try await service.export(ticket.export, for: call.viewer, refresh: false)
        let file = try export.downloadableFile(ticket.file)
        guard !service.needsCallerToken(for: export) else { throw Self.tokenNeeded }
        let number = try await nextUse(of: ticket, size: file.size, isHead: method == .head)
        var response = try await exports.download(
            file,
            of: export,
            call,
            method,
            call.viewer,
            as: TicketUse(ticket: ticket.id, number: number),
            among: uses
        )
        // The address is a secret: it is not passed on to other sites, and nothing keeps what it leads to.
        response.headers[.referrerPolicy] = "no-referrer"
        response.headers[.cacheControl] = "private, no-store, no-transform"
        return response
    }

    /// The number of the next use. For a download, a use that is under way in this process is broken off first.
    private func nextUse(of ticket: Ticket, size: Int64?, isHead: Bool) async throws(GatewayError) -> Int {
        for _ in 0..<Self.attempts {
            let uses = try await service.uses(of: ticket.id, export: ticket.export, limit: TicketHistory.limit)
            switch TicketHistory(uses, size: size).state {
            case .usable(let next): return next
            case .inUse where isHead: return 0
            case .inUse:
                guard await self.uses.breakOff(ticket.id, within: Self.patience, of: time) else { throw Self.inUse }
            case .used:
                throw GatewayError(.ticketUsed, "The file was downloaded with this ticket. Make another one.")
            }
        }
        throw Self.inUse
    }

    private static let unknown = GatewayError(.notFound, "There is no such ticket.")

    private static let inUse = GatewayError(
        .ticketInUse,
        "A download with this ticket is under way. Try again when it has ended, or make another ticket.",
        retryAfter: .seconds(1)
    )

    private static let tokenNeeded = refused(
        "The files of this export can be read with a caller's own upstream token only, and a ticket has none. "
            + "Download the file with the header Upstream-Authorization."
    )

    private static func refused(_ reason: String) -> GatewayError { GatewayError(.ticketNotPossible, reason) }
}

extension HTTPField.Name {
    fileprivate static let referrerPolicy = Self("Referrer-Policy")!
}
