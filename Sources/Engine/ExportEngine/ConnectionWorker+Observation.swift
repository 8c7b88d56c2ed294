import ExportLedger
import Exports
import Logging
import Spans

extension ConnectionWorker {
    /// Exports that are polled together.
    private struct Together: Hashable {
        var token: Secret?
        /// Whether callers wait for them. Other exports must not be polled in their class.
        var isAwaited: Bool
    }

    private struct Group {
        var token: Authorization
        private(set) var records: [LedgerRecord] = []
        private(set) var owners: [String: CallerShare] = [:]

        init(token: Authorization) { self.token = token }

        mutating func add(_ record: LedgerRecord, weight: (String) -> Int) {
            records.append(record)
            let caller = record.export.createdBy
            if owners[caller] == nil { owners[caller] = CallerShare(caller, weight: weight(caller)) }
        }

        /// The caller whose turn it takes; nil for the application's own token, which is for all callers.
        var turn: (owner: String?, weight: Int) {
            (token.value == nil ? nil : records.first?.export.createdBy, owners.values.reduce(0) { $0 + $1.weight })
        }
    }

    /// Polls exports, with one call for all that share a token. Only callers' own tokens are not shared. Where refresh tokens
    /// are kept, `ids` is one export. Tokens take turns by the weights of their callers, and otherwise in the order of `ids`:
    /// the first one takes the place that the request budget has.
    func observe(_ ids: [ExportID]) async {
        var groups: [Together: Group] = [:]
        var order: [Together] = []
        for id in ids {
            guard let record = await prepare(id, for: .observation),
                let token = await authorization(for: record, as: .observation)
            else { continue }
            let key = Together(token: token.value, isAwaited: refresherCount(of: id) > 0)
            if groups[key] == nil { order.append(key) }
            groups[key, default: Group(token: token)].add(record, weight: weights.weight(of:))
        }
        let begins = order.map { groups[$0].map { begin(of: $0.turn.owner) } ?? 0 }
        let turns = order.indices.sorted { one, other in
            let (first, second) = (order[one], order[other])
            if first.isAwaited != second.isAwaited { return first.isAwaited }
            return (begins[one], one) < (begins[other], other)
        }
        let end = time.elapsed() + life.capabilities.minimumPollInterval
        for key in turns.map({ order[$0] }) {
            guard let group = groups[key] else { continue }
            let rest = max(.zero, end - time.elapsed())
            let calls = await observe(group, isAwaited: key.isAwaited, within: rest)
            // Where each export has a call of its own, no other caller waits for this one.
            if calls > 0, life.capabilities.batchObserve {
                hadTurn(group.turn.owner, weight: group.turn.weight, calls: calls)
            }
        }
    }

    /// Polls a group. Returns how many calls were made for it.
    private func observe(_ group: Group, isAwaited: Bool, within limit: Duration) async -> Int {
        let (records, token) = (group.records, group.token)
        let series = CallSeries()
        var context = pollContext(token, at: records, isAwaited: isAwaited, series)
        // Two exports can share a job, where an adapter took over the job that prevented a start.
        var references: [UpstreamReference] = []
        for record in records {
            guard let reference = record.reference, let share = group.owners[record.export.createdBy] else { continue }
            if context.owners[reference] == nil { references.append(reference) }
            context.owners[reference, default: []].append(share)
        }
        if references.count > 1 { context.roundLimit = limit }
        let (provider, work) = (connection.provider, context)
        let spans = PollSpans(records, self)
        let answers = await spans.calls.run { await provider.observe(references, context: work) }
        spans.answered()
        var wasAsked = false
        for record in records {
            let id = record.export.id
            let answer = record.reference.flatMap { answers[$0] } ?? .failure(Self.noAnswer)
            let span = spans[id]
            span?.set(answer)
            defer { span?.end() }
            var pause = life.capabilities.minimumPollInterval
            let event: ExportLife.Event
            switch answer {
            case .success(let observation):
                metrics.poll(key.provider, nil)
                event = .observed(observation)
            case .failure(let error):
                if Task.isCancelled {
                    letGo(of: id)
                    continue
                }
                if error.isOwnWait {
                    let wait = error.retryAfter ?? .seconds(1)
                    // Exports that become due in the meantime are polled with the same call.
                    if !isAwaited, wait > .zero { holdObservations(for: wait) }
                    await comeBack(record, as: .observation, after: error, isAwaited: isAwaited)
                    continue
                }
                metrics.poll(key.provider, error)
                log(error, "polling failed", id)
                refuse(token, of: id, after: error)
                pause = max(pause, error.retryAfter ?? .zero)
                event = .observationFailed(error)
            }
            wasAsked = true
            keepQuiet(id, for: pause)
            let held = self.wasAsked(id, after: series.waited)
            await span.run {
                await finish(id, transitions.record(event, of: id, fence: record.fence, life, held: held))
            }
        }
        return wasAsked ? max(1, series.count) : series.count
    }

    private static let noAnswer = ProviderError(.transient, "The adapter returned no state of the job.")
}
