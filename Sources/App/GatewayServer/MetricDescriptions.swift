import Telemetry

/// The help texts of the gateway's metrics: what `/metrics` says of each, and what the article Metrics explains further.
enum MetricDescriptions {
    static let all: [(name: String, help: String)] = [
        ("http_server_active_requests", "Requests that are being answered."),
        ("http_server_request_duration_seconds", "Time from the head of a request to the end of its answer."),
        ("export_gateway_http_requests_unreadable_total", "Connections closed because what came is not a request."),
        ("export_gateway_http_connections_closed_total", "Connections that the gateway closed before their time."),
        ("export_gateway_http_streams_refused_total", "Streams of HTTP/2 that were refused for their number."),
        ("export_gateway_tls_handshakes_failed_total", "Connections that ended before the TLS handshake was complete."),
        ("export_gateway_tls_certificate_expiration_timestamp_seconds", "End of the gateway's certificate."),
        ("export_gateway_tls_reloads_total", "Changes of the certificate's files that were noticed."),
        ("export_gateway_access_tokens_refused_total", "Access tokens of callers that were refused."),
        ("export_gateway_signing_key_fetches_total", "Fetches of the keys that sign access tokens."),
        ("export_gateway_exports_created_total", "Exports that were created."),
        ("export_gateway_exports_finished_total", "Exports that reached a final status."),
        ("export_gateway_exports_unfinished", "Exports that are not settled."),
        ("export_gateway_exports_waiting", "Exports that are due and wait for a call upstream."),
        ("export_gateway_poll_lag_seconds", "How late polls began, without the wait for the request budget."),
        ("export_gateway_upstream_starts_total", "Calls that start a job."),
        ("export_gateway_upstream_polls_total", "Polls of jobs."),
        ("export_gateway_upstream_requests_total", "Requests to upstreams."),
        ("export_gateway_upstream_request_duration_seconds", "Time from a request upstream to the head of its answer."),
        ("export_gateway_proxy_failures_total", "Requests upstream for which the proxy opened no tunnel."),
        ("export_gateway_spans_total", "Spans that ended, by what became of them."),
        ("export_gateway_upstream_entries_unreadable_total", "Entries of upstreams' lists that could not be read."),
        ("export_gateway_budget_queue_length", "Calls upstream that wait for a place in the request budget."),
        ("export_gateway_budget_wait_seconds", "How long calls upstream waited for a place in the request budget."),
        ("export_gateway_budget_calls_refused_total", "Calls upstream that got no place in the request budget."),
        ("export_gateway_downloads_total", "Downloads that ended."),
        ("export_gateway_downloads_broken_total", "Downloads that were broken off."),
        ("export_gateway_caller_limit_refusals_total", "Requests beyond a limit of their caller."),
        ("export_gateway_caller_limit_callers", "Callers whose use of limits is kept."),
        (
            "export_gateway_caller_limit_callers_evicted_total",
            "Callers that were evicted before their allowances were whole again."
        ),
        ("export_gateway_downloads_refused_total", "Downloads that were refused with 429."),
        ("export_gateway_downloads_under_way", "Downloads under way."),
        ("export_gateway_download_bytes_total", "Bytes of downloads that were sent."),
        ("export_gateway_download_ranges_total", "Downloads of a part of a file."),
        ("export_gateway_download_resumptions_total", "Downloads resumed after their upstream broke off."),
        ("export_gateway_deliveries_unrecorded_total", "Deliveries that could not be written into the ledger."),
        ("export_gateway_measurements_total", "Measurements of files that ended."),
        ("export_gateway_measurement_bytes_total", "Bytes that measurements read."),
        ("export_gateway_memory_limit_bytes", "The setting server.memory."),
        ("export_gateway_memory_reserved_bytes", "What is reserved of server.memory."),
        ("export_gateway_memory_reservations_refused_total", "Reservations of memory that were refused."),
        ("export_gateway_degraded", "1 while the ledger cannot be written for this reason."),
        ("export_gateway_ledger_commit_duration_seconds", "How long the ledger's commits took."),
        ("export_gateway_ledger_commit_writes", "How many writes shared a commit."),
        ("export_gateway_ledger_rows_unreadable", "Rows of the ledger that cannot be read and are set aside."),
        ("export_gateway_ledger_bytes", "Size of the ledger's parts."),
        ("export_gateway_exports_retained", "Exports that are retained: nothing of them is purged."),
        ("export_gateway_exports_purged_total", "Exports that were purged, by rules and by callers."),
        ("export_gateway_exports_purge_held_back", "Exports whose time had come at the last round and that were kept."),
        (
            "export_gateway_retention_rows_deleted_total",
            "Changes, tombstones and audit rows that the retention deleted."
        ),
        ("export_gateway_snapshot_reads_total", "Reads of an export, from memory (hit) or from the ledger (miss)."),
        ("export_gateway_event_streams", "Event streams that are open."),
        ("export_gateway_event_streams_ended_total", "Event streams that ended."),
        ("export_gateway_events_sent_total", "Events that were sent, on all streams together."),
        ("export_gateway_event_reads_total", "Reads of the changes in the ledger, each for all streams."),
        ("export_gateway_event_catch_ups_total", "How often a stream read in the ledger what it had left out."),
        ("export_gateway_webhook_messages_pending", "Messages to webhooks that are neither delivered nor given up."),
        ("export_gateway_webhook_oldest_pending_seconds", "Age of the oldest event that waits for a webhook."),
        ("export_gateway_webhook_attempts_total", "Attempts to send a message to a webhook."),
        ("export_gateway_webhook_messages_failed_total", "Messages to webhooks that were given up."),
        ("export_gateway_webhook_changes_unreadable_total", "Changes of exports that webhooks were not told of."),
        ("export_gateway_webhooks_disabled_total", "Webhooks that the gateway has disabled."),
        ("export_gateway_replicas", "Replicas that share the ledger, as this one last read it."),
        ("export_gateway_leases_held", "Leases that this replica holds."),
        ("export_gateway_lease_lost_total", "Leases that this replica lost without handing them over."),
        ("export_gateway_feed_connected", "1 while this replica hears of the changes that others make."),
        ("export_gateway_feed_lag_seconds", "For how long changes of others may have been missed; 0 when caught up."),
        ("export_gateway_audit_rows_total", "Rows of the audit trail that this process sealed."),
        ("export_gateway_audit_head_sequence", "Number of the last row that this process sealed."),
        ("export_gateway_audit_entries_unsealed", "Entries of the audit trail that wait to be sealed."),
        ("export_gateway_audit_unsealed_seconds", "Age of the oldest entry that waits to be sealed."),
        (
            "export_gateway_audit_entries_rejected_total",
            "Entries that were not authentic, or were sealed before, and were not sealed."
        ),
        (
            "export_gateway_audit_ends_missing_total",
            "How often rows were gone or changed that were sealed or told before, or that were to be deleted, or the anchor was."
        ),
        ("export_gateway_audit_denials_left_out_total", "Denials that were counted in a row of several."),
        ("export_gateway_audit_denials_lost_total", "Denials that could not be stored."),
        ("export_gateway_audit_heads_total", "Heads of the audit trail, by whether they could be told."),
        ("export_gateway_audit_syslog_connected", "1 while a connection to the collector of syslog lives."),
        ("export_gateway_audit_syslog_messages_sent_total", "Messages that a connection to syslog has outlived."),
        ("export_gateway_audit_syslog_messages_dropped_total", "Messages to syslog that were dropped."),
        ("export_gateway_log_lines_dropped_total", "Log lines that were lost."),
        ("export_gateway_configuration_reloads_total", "Reloads of the configuration."),
        (
            "export_gateway_configuration_applied_timestamp_seconds",
            "When the configuration in force was applied, by the start or by a reload."
        ),
        ("export_gateway_configuration_refused", "1 from a reload that was refused to one that is applied."),
    ]

    static func add(to registry: PrometheusRegistry) {
        for (name, help) in all { registry.describe(name, help) }
    }
}
