BEGIN TRANSACTION;
CREATE TABLE delivery (
    export_id TEXT NOT NULL REFERENCES export (id),
    id TEXT NOT NULL,
    file_id TEXT,
    caller TEXT NOT NULL,
    request_id TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER NOT NULL,
    coding TEXT NOT NULL,
    range_first INTEGER,
    range_last INTEGER,
    bytes_sent INTEGER NOT NULL,
    file_bytes INTEGER NOT NULL,
    sha256 TEXT,
    resumptions INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT,
    PRIMARY KEY (export_id, id)
) STRICT, WITHOUT ROWID;
INSERT INTO "delivery" VALUES('01a223e7-fcb0-7b0b-b041-024860c368be','01a223e8-0208-78b4-8666-9e3d615b67b4','1','black-box','e4d496f974e7652f',1795898737160,1795898737170,'identity',NULL,NULL,65536,65536,'7c32efc5858d602cd0747b7de48786747366248b08a8cb5d52b5a20e04b1a455',0,'whole',NULL);
CREATE TABLE export (
    id TEXT NOT NULL PRIMARY KEY,
    provider TEXT NOT NULL,
    connection TEXT NOT NULL,
    name TEXT NOT NULL,
    status TEXT NOT NULL,
    percent_complete INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    completed_at INTEGER,
    expires_at INTEGER,
    observed_at INTEGER,
    stale INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    source TEXT NOT NULL,
    files TEXT NOT NULL,
    destination TEXT,
    cancellation TEXT,
    error TEXT,
    notice TEXT,
    upstream TEXT,
    revision INTEGER NOT NULL,
    plan TEXT NOT NULL,
    phase TEXT NOT NULL,
    reference TEXT,
    next_action_at INTEGER,
    submitting_since INTEGER,
    cancel_wished INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    submission_attempts INTEGER NOT NULL,
    resubmissions INTEGER NOT NULL,
    reconcile_misses INTEGER NOT NULL,
    polls INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    missing INTEGER NOT NULL,
    file_lag_attempts INTEGER NOT NULL,
    cancel_attempts INTEGER NOT NULL,
    observe_before_cancel INTEGER NOT NULL,
    cancel_refusal TEXT,
    awaits_authorization INTEGER NOT NULL,
    accepted_since INTEGER NOT NULL,
    recovering_since INTEGER,
    tracking_since INTEGER,
    unknown_since INTEGER
) STRICT, WITHOUT ROWID;
INSERT INTO "export" VALUES('01a223e7-fcb0-7b0b-b041-024860c368be','power-bi','bi','Report','succeeded',100,1795898735792,1795898737170,1795898736316,1795985135816,1795898737051,0,'black-box','{"format":"PDF","groupId":"f089354e-8366-4e18-aea3-4cb4a3a50b48","reportId":"5b218778-e7a5-4d73-8187-f10824047715"}','[{"contentType":"application/pdf","digestSource":"gateway","id":"1","name":"SalesMarketing.pdf","sha256":"7c32efc5858d602cd0747b7de48786747366248b08a8cb5d52b5a20e04b1a455","size":65536}]',NULL,NULL,NULL,NULL,'{"id":"MS9CbG9iSWRWMi0yODEyM2Y1YS0zMTY5LTQzYTctOTk0Yy1hYzU2YTVjZjg3ZGV4ZUkwY29sRHo2NkIyUVdLX2NNQUY1N0dHMkJJdWFPQ08xV29RcU5vYzBHMi4=","status":"Succeeded"}',5,'{"needsSecrets":false,"source":{"format":"PDF","groupId":"f089354e-8366-4e18-aea3-4cb4a3a50b48","reportId":"5b218778-e7a5-4d73-8187-f10824047715"},"suggestedName":"Power BI report 5b218778-e7a5-4d73-8187-f10824047715 as PDF"}','settled','{"context":{"format":"PDF","groupId":"f089354e-8366-4e18-aea3-4cb4a3a50b48","reportId":"5b218778-e7a5-4d73-8187-f10824047715"},"id":"MS9CbG9iSWRWMi0yODEyM2Y1YS0zMTY5LTQzYTctOTk0Yy1hYzU2YTVjZjg3ZGV4ZUkwY29sRHo2NkIyUVdLX2NNQUY1N0dHMkJJdWFPQ08xV29RcU5vYzBHMi4="}',NULL,1795898735797,0,1,1,0,0,2,0,0,0,0,0,NULL,0,1795898735792,NULL,1795898735820,NULL);
INSERT INTO "export" VALUES('01a223e8-0214-74f2-907d-6f3a7b07967b','graph-ediscovery','purview','Search 1','succeeded',100,1795898737172,1795898737903,1795898737700,1797108337700,1795898737903,0,'black-box','{"additionalOptions":"includeReport","caseId":"b0073e4e-4184-41c6-9eb7-8c8cc3e2288b","displayName":"Search 1","exportCriteria":"searchHits","exportFormat":"pst","exportType":"exportResult","searchId":"5d5b8f2e-9a53-4a2f-8d0c-0e9c3f6a7b8d"}','[{"contentType":"application/zip","id":"1","name":"PSTs.001.Search_1.zip","size":65536},{"contentType":"application/zip","id":"2","name":"Reports-Search_1.zip","size":7964}]',NULL,NULL,NULL,NULL,'{"id":"5c0a2f25-5702-4f11-b24e-411ebf5d4b14","status":"succeeded"}',5,'{"needsSecrets":false,"source":{"additionalOptions":"includeReport","caseId":"b0073e4e-4184-41c6-9eb7-8c8cc3e2288b","displayName":"Search 1","exportCriteria":"searchHits","exportFormat":"pst","exportType":"exportResult","searchId":"5d5b8f2e-9a53-4a2f-8d0c-0e9c3f6a7b8d"},"suggestedName":"Search 1"}','settled','{"context":{"caseId":"b0073e4e-4184-41c6-9eb7-8c8cc3e2288b"},"id":"5c0a2f25-5702-4f11-b24e-411ebf5d4b14"}',NULL,1795898737179,0,1,1,0,0,2,0,0,0,0,0,NULL,0,1795898737172,NULL,1795898737203,NULL);
INSERT INTO "export" VALUES('01a223e8-0581-7db2-b2e1-19b240b9336f','viva-goals','goals','Goals','succeeded',NULL,1795898738049,1795898739358,1795898739358,1795985138061,1795898739358,0,'black-box','{"explorerViewId":"d427d489-20cf-4c79-91c8-644fdbfaf8db","goalsOrganizationId":"94a356ab-53d5-40e7-8a85-053d6d3b9eb3"}','[{"contentType":"text/csv","id":"1","name":"Goals.csv"}]',NULL,NULL,NULL,NULL,'{"id":"j!5BJBtP5lH4QdnOyTa-HuREJTLmV5WN2ZTYdayX3-MMk","status":"succeeded"}',4,'{"needsSecrets":false,"source":{"explorerViewId":"d427d489-20cf-4c79-91c8-644fdbfaf8db","goalsOrganizationId":"94a356ab-53d5-40e7-8a85-053d6d3b9eb3"},"suggestedName":"Viva Goals view d427d489-20cf-4c79-91c8-644fdbfaf8db"}','settled','{"context":{"explorerViewId":"d427d489-20cf-4c79-91c8-644fdbfaf8db","goalsOrganizationId":"94a356ab-53d5-40e7-8a85-053d6d3b9eb3","name":"Goals"},"id":"j!5BJBtP5lH4QdnOyTa-HuREJTLmV5WN2ZTYdayX3-MMk"}',NULL,1795898738052,0,1,1,0,0,2,0,0,0,0,0,NULL,0,1795898738049,NULL,1795898738062,NULL);
INSERT INTO "export" VALUES('01a223e8-0b06-7e61-a54a-a380b4bc5584','graph-ediscovery','purview','Search 2','canceled',NULL,1795898739462,1795898742511,1795898742511,NULL,NULL,0,'black-box','{"additionalOptions":"includeReport","caseId":"b0073e4e-4184-41c6-9eb7-8c8cc3e2288b","displayName":"Search 2","exportCriteria":"searchHits","exportFormat":"pst","exportType":"exportResult","searchId":"5d5b8f2e-9a53-4a2f-8d0c-0e9c3f6a7b8d"}','[]',NULL,'unsupported',NULL,'{"code":"unsupported-by-provider","detail":"The provider cannot cancel: the gateway stopped tracking the export, and it may go on upstream."}','{"id":"2907e60a-b189-4f66-aee2-49ac21c6d982"}',3,'{"needsSecrets":false,"source":{"additionalOptions":"includeReport","caseId":"b0073e4e-4184-41c6-9eb7-8c8cc3e2288b","displayName":"Search 2","exportCriteria":"searchHits","exportFormat":"pst","exportType":"exportResult","searchId":"5d5b8f2e-9a53-4a2f-8d0c-0e9c3f6a7b8d"},"suggestedName":"Search 2"}','settled','{"context":{"caseId":"b0073e4e-4184-41c6-9eb7-8c8cc3e2288b"},"id":"2907e60a-b189-4f66-aee2-49ac21c6d982"}',NULL,1795898739466,0,1,1,0,0,0,0,0,0,0,0,NULL,0,1795898739462,NULL,1795898742511,NULL);
INSERT INTO "export" VALUES('01a223e8-192b-72e8-825c-b5b242191443','power-bi','bi','Ledger','notStarted',0,1795898743083,1795898743115,NULL,NULL,1795898743115,0,'black-box','{"format":"CSV","groupId":"f089354e-8366-4e18-aea3-4cb4a3a50b48","reportId":"c0ffee00-2222-4333-8444-555566667777","reportType":"PaginatedReport"}','[]',NULL,NULL,NULL,NULL,'{"id":"MS9CbG9iSWRWMi0yYTg0YWEyNy03Yzc5LTQxYWItOTc1Ny02NWNmMDhkMTgyZTZjY2QtdDZMOEJlU0ZpMmg3TlZDdFktNjBSRzdRSUEySFg0aVBPQWRGWERxVi4=","status":"NotStarted"}',2,'{"needsSecrets":false,"source":{"format":"CSV","groupId":"f089354e-8366-4e18-aea3-4cb4a3a50b48","reportId":"c0ffee00-2222-4333-8444-555566667777","reportType":"PaginatedReport"},"suggestedName":"Power BI report c0ffee00-2222-4333-8444-555566667777 as CSV"}','tracking','{"context":{"format":"CSV","groupId":"f089354e-8366-4e18-aea3-4cb4a3a50b48","reportId":"c0ffee00-2222-4333-8444-555566667777"},"id":"MS9CbG9iSWRWMi0yYTg0YWEyNy03Yzc5LTQxYWItOTc1Ny02NWNmMDhkMTgyZTZjY2QtdDZMOEJlU0ZpMmg3TlZDdFktNjBSRzdRSUEySFg0aVBPQWRGWERxVi4="}',1795898743315,1795898743087,0,1,1,0,0,1,0,0,0,0,0,NULL,0,1795898743083,NULL,1795898743115,NULL);
CREATE TABLE grdb_migrations (identifier TEXT NOT NULL PRIMARY KEY);
INSERT INTO "grdb_migrations" VALUES('1 exports and idempotency keys');
INSERT INTO "grdb_migrations" VALUES('2 deliveries');
INSERT INTO "grdb_migrations" VALUES('3 exports by creator');
INSERT INTO "grdb_migrations" VALUES('4 refresh tokens');
CREATE TABLE idempotency (
    caller TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    export_id TEXT NOT NULL REFERENCES export (id),
    created_at INTEGER NOT NULL,
    PRIMARY KEY (caller, key)
) STRICT, WITHOUT ROWID;
INSERT INTO "idempotency" VALUES('black-box','key-1','cc1f6dcc89531c68b216fe1c1af2ff811ba660b4c35b5359ea9896727239e019','01a223e7-fcb0-7b0b-b041-024860c368be',1795898735792);
CREATE TABLE refresh_token (
    export_id TEXT NOT NULL PRIMARY KEY REFERENCES export (id),
    sealed BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX export_by_provider ON export (provider, id);
CREATE INDEX export_by_connection ON export (connection, id);
CREATE INDEX export_by_status ON export (status, id);
CREATE INDEX export_unfinished ON export (id) WHERE phase <> 'settled';
CREATE INDEX export_expiring ON export (expires_at)
    WHERE status IN ('succeeded', 'partiallySucceeded') AND expires_at IS NOT NULL;
CREATE INDEX idempotency_by_age ON idempotency (created_at);
CREATE INDEX export_by_creator ON export (created_by, id);
COMMIT;
