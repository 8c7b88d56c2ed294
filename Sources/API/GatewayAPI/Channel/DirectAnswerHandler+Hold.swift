import Exports
import NIOCore
import NIOHTTP1

/// Requests that wait: for the ledger, or for a change (`Prefer: wait`).
extension DirectAnswerHandler {
    func begin(_ hold: Hold, _ context: ChannelHandlerContext) {
        self.hold = hold
        began(context)
    }

    /// A request waits here.
    func began(_ context: ChannelHandlerContext) {
        holdNumber += 1
        idle.beganBeside()
        table.authenticated(context.channel)
        table.began(context.channel)
        answers.began()
    }

    /// Asks the ledger for an export that is not in memory.
    func find(_ request: StatusRequest, _ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        begin(Hold(request: request, head: head), context)
        let (number, loop) = (holdNumber, context.eventLoop)
        let bound = NIOLoopBound((handler: self, context: context), eventLoop: loop)
        answers.find(request) { snapshot in
            loop.execute { bound.value.handler.found(snapshot, number, bound.value.context) }
        }
    }

    /// - Parameter snapshot: What the ledger has; nil where it has nothing for this caller, or cannot be read.
    private func found(_ snapshot: ExportSnapshot?, _ number: Int, _ context: ChannelHandlerContext) {
        guard number == holdNumber, let hold else { return }
        guard let snapshot, answers.isSmall(snapshot) else { return release(passingOn: hold.head, context) }
        guard hold.request.waits(for: snapshot), encoder != nil, !isLeaving else {
            return finish(with: snapshot, context)
        }
        self.hold?.snapshot = snapshot
        wait(beyond: snapshot, context)
    }

    /// Waits for a newer state than `snapshot`.
    func wait(beyond snapshot: ExportSnapshot, _ context: ChannelHandlerContext) {
        guard let hold, let limit = hold.request.wait else { return }
        do throws(GatewayError) {
            self.hold?.place = try answers.placeToWait(hold.request)
        } catch {
            return finish(with: answers.answer(hold.request, to: hold.head.uri, with: error), context)
        }
        guard connection.isCharged(to: hold.request.entry.caller),
            let memory = answers.memoryToWait(hold.request)
        else {
            // A server may ignore a preference (RFC 7240, 2). The answer then does not say that it was applied.
            self.hold?.request.wait = nil
            return finish(with: snapshot, context)
        }
        let (number, loop) = (holdNumber, context.eventLoop)
        let bound = NIOLoopBound((handler: self, context: context), eventLoop: loop)
        let watch = answers.watch(hold.request, beyond: snapshot) { export in
            loop.execute { bound.value.handler.end(number, export, bound.value.context) }
        }
        guard let watch else { return release(passingOn: hold.head, context) }
        self.hold?.watch = watch
        self.hold?.memory = memory
        self.hold?.timer = loop.scheduleTask(in: TimeAmount(limit)) {
            bound.value.handler.end(number, nil, bound.value.context)
        }
    }

    /// - Parameter export: The new state; nil where the time is over.
    private func end(_ number: Int, _ export: Export?, _ context: ChannelHandlerContext) {
        guard number == holdNumber, let hold, let known = hold.snapshot else { return }
        let latest = answers.latest(hold.request, known: known, news: export)
        // The export may have ended with thousands of files. Then the answer is too large to be made here.
        guard answers.isSmall(latest) || encoder == nil else { return release(passingOn: hold.head, context) }
        finish(with: latest, context)
    }

    /// Ends the wait: the client has left, or the server is stopping.
    func endWait(_ context: ChannelHandlerContext) {
        isLeaving = true
        end(holdNumber, nil, context)
    }

    private func finish(with snapshot: ExportSnapshot, _ context: ChannelHandlerContext) {
        guard let hold else { return }
        finish(with: answers.answer(hold.request, with: snapshot), context)
    }

    private func finish(with answer: DirectAnswers.Answer, _ context: ChannelHandlerContext) {
        guard endHold(context) != nil else { return }
        send(answer, context)
        table.ended(context.channel)
        goOn(context)
    }

    /// Passes the request on, to be answered like all others.
    private func release(passingOn head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        guard let hold = endHold(context) else { return }
        answers.passesOn(hold.request.entry)
        release(passingOn: head, nil, context)
    }

    /// Passes a request on that does not wait here any more.
    func release(passingOn head: HTTPRequestHead, _ body: ByteBuffer?, _ context: ChannelHandlerContext) {
        answers.abandoned()
        guard encoder != nil else { return table.ended(context.channel) }
        passOn(whole: head, body: body, context)
        // Called after `passOn`. Otherwise the connection would count as idle in between, and might be closed.
        table.ended(context.channel)
        context.fireChannelReadComplete()
        goOn(context)
    }

    private func endHold(_ context: ChannelHandlerContext) -> Hold? {
        guard let hold else { return nil }
        hold.timer?.cancel()
        hold.watch?.cancel()
        // At once: the next request on the connection may wait too, while somebody still has a copy of this one.
        hold.place?.giveBack()
        self.hold = nil
        idle.endedBeside(at: context.eventLoop.now)
        return hold
    }

    /// Handles the parts that came in meanwhile.
    func goOn(_ context: ChannelHandlerContext) {
        guard encoder != nil else {
            // The connection is gone.
            pending.removeAll()
            return closeIfSent(context)
        }
        var isRead = false
        while !isWaiting, let next = pending.popFirst() {
            isRead = true
            switch next {
            case .part(let part): channelRead(context: context, data: part)
            case .error(let error): errorCaught(context: context, error: error)
            case .event(let event):
                passOn(context)
                context.fireUserInboundEventTriggered(event)
            }
        }
        // The rest of a body may come later than it may be waited for here.
        passOn(context)
        flush()
        if isRead { context.fireChannelReadComplete() }
        guard !isWaiting else { return }
        closeIfSent(context)
        guard isReadWanted, encoder != nil else { return }
        isReadWanted = false
        context.read()
    }
}
