/// The operations of the API, by the `operationId` that `openapi.yaml` gives them.
enum Operation: String, Sendable, CaseIterable {
    case createExport, listExports, getExport, getExportOperation, cancelExport, resolveExport
    case retainExport, releaseExport
    case streamEvents, streamExportEvents
    case listExportFiles, listExportDeliveries
    case downloadExportFile, headExportFile, downloadExportContent, headExportContent
    case createDownloadTicket, downloadByTicket, headByTicket
    case listProviders, getProvider
    case createWebhook, listWebhooks, getWebhook, updateWebhook, deleteWebhook, rotateWebhookSecret, testWebhook
    case listAuditRows
    case listWebhookDeliveries, replayWebhookDelivery, replayWebhookDeliveries
    case getLiveness, getReadiness, getMetrics, reloadConfiguration, getOpenAPI
}
