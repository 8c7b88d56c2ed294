import Exports
import NIOCore
import NIOHTTP1

/// Create requests, which wait until their exports are stored.
extension DirectAnswerHandler {
    /// Begins to create an export. False where the request is not answered here, and nothing has happened then.
    func create(
        _ head: HTTPRequestHead,
        _ fields: KnownFields,
        _ body: ByteBuffer,
        _ context: ChannelHandlerContext
    ) -> Bool {
        guard let request = answers.creation(head, fields, body, &known, from: context.remoteAddress) else {
            return false
        }
        if let refusal = request.refusal {
            answerAtOnce(answers.answer(refusal, request.entry, path: "/exports"), context)
            return true
        }
        let bound = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
        let isBegun = answers.create(request, on: context.eventLoop) { outcome in
            bound.value.handler.created(outcome, bound.value.context)
        }
        guard isBegun else {
            answers.passesOn(request.entry)
            return false
        }
        creation = request
        began(context)
        return true
    }

    /// The export is stored, or cannot be. The client is answered, unless it has left.
    private func created(_ outcome: Result<Creation, GatewayError>, _ context: ChannelHandlerContext) {
        guard let request = creation else { return }
        creation = nil
        idle.endedBeside(at: context.eventLoop.now)
        if case .failure(let problem) = outcome, problem.code != .tooManyRequests, request.draft.idempotency != nil {
            // The key may have been used before. The responder looks for its export first, also where nothing can be written, and with
            // the key nothing is created twice. Where the caller has created as many as it may, the ledger has looked for the key.
            answers.passesOn(request.entry)
            return release(passingOn: request.head, request.body, context)
        }
        send(answers.answer(request, with: outcome), context)
        table.ended(context.channel)
        goOn(context)
    }
}
