public import Audit
public import Exports
public import Logging
public import Metrics
import Synchronization

/// Sends the rows that are sealed here, and heads, to a collector of syslog over TLS.
///
/// Nothing waits for the collector. What it does not take is sent again on the next connection, in the same order, as long as there
/// are places for it. Syslog confirms nothing, so the life of a connection stands for it: what was sent over one that has ended before
/// `SyslogSettings.trial` is sent again, and a collector may get it twice. A connection that breaks later may take messages with it that
/// were given to the system.
public final class SyslogSender: AuditSink {
    /// A connection, and what was sent over it.
    private struct Link: Sendable {
        let connection: any SyslogConnection
        /// When it was opened: a time of `TimeSource.elapsed`.
        let since: Duration
        /// So many messages at the beginning of the queue were sent over it, and are kept until it has lived long enough.
        var untried = 0
        /// Whether it has lived long enough.
        var isTried = false
    }

    private let settings: SyslogSettings
    private let sender: SyslogMessage.Sender
    private let connector: any SyslogConnector
    private let queue: Mutex<SyslogQueue>
    private let wakes = Signal()
    private let isFailing = Mutex(false)
    /// The connection that ``run()`` has left to ``finish()``.
    private let kept = Mutex<Link?>(nil)
    private let time: any TimeSource
    private let random: Randomness
    private let logger: Logger
    private let sent: Counter
    private let dropped: Counter
    private let connected: Meter

    /// Makes a sender. Nothing is sent before ``run()``.
    ///
    /// Throws `StartupError` for `audit.syslog` where the certificates cannot be used.
    ///
    /// - Parameters:
    ///   - process: What the messages call this process.
    ///   - random: Uniform 64-bit numbers, which spread attempts to connect.
    public convenience init(
        _ settings: SyslogSettings,
        process: String,
        time: any TimeSource,
        random: @escaping @Sendable () -> UInt64,
        logger: Logger,
        metrics: any MetricsFactory
    ) throws(StartupError) {
        let connector: TLSSyslogConnector
        do {
            connector = try TLSSyslogConnector(settings)
        } catch {
            throw StartupError("audit.syslog", "the certificates cannot be used")
        }
        self.init(
            settings,
            process: process,
            connector: connector,
            time: time,
            random: random,
            logger: logger,
            metrics: metrics
        )
    }

    init(
        _ settings: SyslogSettings,
        process: String,
        connector: any SyslogConnector,
        time: any TimeSource,
        random: @escaping @Sendable () -> UInt64,
        logger: Logger,
        metrics: any MetricsFactory
    ) {
        self.settings = settings
        self.connector = connector
        sender = SyslogMessage.Sender(hostName: settings.hostName, appName: settings.appName, process: process)
        queue = Mutex(SyslogQueue(limit: settings.queueLimit))
        (self.time, self.random, self.logger) = (time, Randomness(random), logger)
        func counter(_ name: String) -> Counter {
            Counter(label: name, dimensions: [], factory: metrics)
        }
        sent = counter("export_gateway_audit_syslog_messages_sent_total")
        dropped = counter("export_gateway_audit_syslog_messages_dropped_total")
        connected = Meter(label: "export_gateway_audit_syslog_connected", dimensions: [], factory: metrics)
        for one in [sent, dropped] { one.increment(by: 0) }
        connected.set(0)
    }

    public func take(_ rows: [AuditRow]) { add(rows.map { SyslogMessage($0, from: sender) }) }

    public func take(_ head: AuditHead) { add([SyslogMessage(head, from: sender)]) }

    private func add(_ messages: [SyslogMessage]) {
        let count = queue.withLock { queue in
            for message in messages { queue.add(message.frame) }
            return queue.takeDropped()
        }
        if count > 0 { dropped.increment(by: count) }
        wakes.fire()
    }

    /// Sends until the task is cancelled. Call it once, and ``finish()`` when nothing comes any more.
    public func run() async {
        var (link, failures) = (Link?.none, 0)
        while !Task.isCancelled {
            do {
                if try await step(&link, until: time.elapsed() + settings.timeout) {
                    if link?.isTried == true { failures = 0 }
                } else {
                    await wait(for: link)
                }
            } catch {
                await cut(&link)
                guard !Task.isCancelled else { break }
                failures += 1
                report("\(error)")
                try? await time.sleep(for: pause(after: failures))
            }
        }
        let last = link
        kept.withLock { $0 = last }
    }

    /// Sends what is left, drops the rest, and closes the connection: all of it within `SyslogSettings.lastWait`.
    public func finish() async {
        // A new task, because this one may be cancelled. It is awaited here.
        await Task { await self.sendRest() }.value
    }

    private func sendRest() async {
        let end = time.elapsed() + settings.lastWait
        var link = kept.withLock { $0 }
        kept.withLock { $0 = nil }
        // What was sent over one that has ended is sent again.
        if link?.connection.end != nil { await cut(&link) }
        do {
            while time.elapsed() < end {
                if try await step(&link, until: end) { continue }
                guard let open = link, !open.isTried else { break }
                await wait(for: open, until: end)
            }
        } catch {
            await cut(&link)
            report("\(error)")
        }
        // There is no time left to try it, and nothing says that it was not taken.
        if let open = link, open.connection.end == nil { settle(open.untried) }
        await link?.connection.close(within: max(.zero, end - time.elapsed()))
        connected.set(0)
        let count = queue.withLock { queue in
            queue.close()
            return queue.takeDropped()
        }
        if count > 0 { dropped.increment(by: count) }
    }

    /// Does what there is to do next; false where that is nothing. Throws why the collector takes nothing: the messages stay then.
    private func step(_ link: inout Link?, until end: Duration) async throws -> Bool {
        if let open = link, let reason = open.connection.end {
            await cut(&link)
            // One that has worked may end at any time. What comes next is sent on another.
            guard open.isTried else { throw reason }
            return true
        }
        if let open = link, !open.isTried, time.elapsed() - open.since >= settings.trial {
            settle(open.untried)
            link?.untried = 0
            link?.isTried = true
            report(nil)
            return true
        }
        let skipped = link?.untried ?? 0
        let batch = queue.withLock { $0.first(bytes: settings.batchBytes, after: skipped) }
        guard !batch.isEmpty else { return false }
        let open: Link
        if let link { open = link } else { open = try await connect(until: end) }
        link = open
        try await open.connection.send(batch.flatMap { $0 }, within: end - time.elapsed())
        if open.isTried { settle(batch.count) } else { link?.untried += batch.count }
        return true
    }

    private func connect(until end: Duration) async throws -> Link {
        let wakes = wakes
        let connection = try await connector.connect(within: end - time.elapsed()) { wakes.fire() }
        return Link(connection: connection, since: time.elapsed())
    }

    /// Ends a connection that takes nothing, or has ended already.
    private func cut(_ link: inout Link?) async {
        let former = link
        link = nil
        connected.set(0)
        await former?.connection.close(within: .zero)
    }

    /// The first messages count as sent.
    private func settle(_ count: Int) {
        queue.withLock { $0.removeFirst(count) }
        sent.increment(by: count)
    }

    /// Waits until there may be something to do: a message, the end of the connection, or that of its trial.
    private func wait(for link: Link?, until end: Duration? = nil) async {
        let trial = link.flatMap { $0.isTried ? nil : $0.since + settings.trial }
        guard let first = [trial, end].compactMap({ $0 }).min() else { return await wakes.wait() }
        await wakes.wait(until: time.now() + (first - time.elapsed()), of: time)
    }

    private func pause(after failures: Int) -> Duration {
        let doubled = settings.pauses.lowerBound * (1 << min(failures - 1, 16))
        return min(settings.pauses.upperBound, doubled) * (1 - random.jitter() / 2)
    }

    /// Shows whether the collector takes messages, and logs when it begins to fail, and when it works again.
    private func report(_ reason: String?) {
        connected.set(reason == nil ? 1 : 0)
        let wasFailing = isFailing.withLock { isFailing in
            defer { isFailing = reason != nil }
            return isFailing
        }
        switch (wasFailing, reason) {
        case (false, let reason?):
            logger.warning("The audit trail cannot be sent to syslog", metadata: ["reason": .string(reason)])
        case (true, nil): logger.notice("The audit trail is sent to syslog again")
        default: break
        }
    }
}
