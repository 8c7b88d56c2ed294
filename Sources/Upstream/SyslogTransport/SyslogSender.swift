public import Audit
public import Exports
public import Logging
public import Metrics
import Synchronization

/// Sends the rows that are sealed here, and heads, to a collector of syslog over TLS.
///
/// Nothing waits for the collector. What it does not take is sent again on the next connection, in the same order, as long as there
/// are places for it; a connection that breaks may take messages with it that were given to the system, because syslog confirms nothing.
public final class SyslogSender: AuditSink {
    private let settings: SyslogSettings
    private let sender: SyslogMessage.Sender
    private let connector: any SyslogConnector
    private let queue: Mutex<SyslogQueue>
    private let wakes = Signal()
    private let isFailing = Mutex(false)
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
            Counter(label: "export_gateway_audit_syslog_messages_\(name)_total", dimensions: [], factory: metrics)
        }
        (sent, dropped) = (counter("sent"), counter("dropped"))
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
        var (connection, failures) = ((any SyslogConnection)?.none, 0)
        while !Task.isCancelled {
            guard queue.withLock({ !$0.isEmpty }) else {
                await wakes.wait()
                continue
            }
            if await sendBatch(&connection) {
                failures = 0
            } else if !Task.isCancelled {
                failures += 1
                try? await time.sleep(for: pause(after: failures))
            }
        }
        await connection?.close()
        connected.set(0)
    }

    /// Sends what is left, for a bounded time, and drops the rest.
    public func finish() async {
        let end = time.elapsed() + settings.lastWait
        var connection: (any SyslogConnection)?
        while queue.withLock({ !$0.isEmpty }), time.elapsed() < end, await sendBatch(&connection) {}
        await connection?.close()
        connected.set(0)
        let count = queue.withLock { queue in
            queue.close()
            return queue.takeDropped()
        }
        if count > 0 { dropped.increment(by: count) }
    }

    /// Sends the first frames. False where that failed: they stay.
    private func sendBatch(_ connection: inout (any SyslogConnection)?) async -> Bool {
        if connection?.isOpen == false {
            await connection?.close()
            connection = nil
        }
        let batch = queue.withLock { $0.first(bytes: settings.batchBytes) }
        do {
            let open: any SyslogConnection
            if let connection { open = connection } else { open = try await connector.connect() }
            connection = open
            try await open.send(batch.flatMap { $0 })
        } catch {
            await connection?.close()
            connection = nil
            report("\(type(of: error))")
            return false
        }
        queue.withLock { $0.removeFirst(batch.count) }
        sent.increment(by: batch.count)
        report(nil)
        return true
    }

    private func pause(after failures: Int) -> Duration {
        let doubled = settings.pauses.lowerBound * (1 << min(failures - 1, 16))
        return min(settings.pauses.upperBound, doubled) * (1 - random.jitter() / 2)
    }

    /// Logs when the collector begins to fail, and when it works again.
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
