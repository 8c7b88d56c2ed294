PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE grdb_migrations (identifier TEXT NOT NULL PRIMARY KEY);
INSERT INTO grdb_migrations VALUES('1 exports and idempotency keys');
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
INSERT INTO export VALUES('01a1fcb8-7170-7184-8a47-a345ada93f92','graph-ediscovery','purview','Search 0','succeeded',100,1795241308528,1795241317965,1795241316545,1796450916545,1795241317965,0,'black-box','{"additionalOptions":"includeReport","caseId":"b0073e4e-4184-41c6-9eb7-8c8cc3e2288b","displayName":"Search 0","exportCriteria":"searchHits","exportFormat":"pst","exportType":"exportResult","searchId":"5d5b8f2e-9a53-4a2f-8d0c-0e9c3f6a7b8d"}','[{"contentType":"application/zip","id":"1","name":"PSTs.001.Search_0.zip","size":65536},{"contentType":"application/zip","id":"2","name":"Reports-Search_0.zip","size":7964}]',NULL,NULL,NULL,NULL,'{"id":"7cbbd274-a940-467a-9d3e-077cac9a19cd","status":"succeeded"}',6,'{"needsSecrets":false,"source":{"additionalOptions":"includeReport","caseId":"b0073e4e-4184-41c6-9eb7-8c8cc3e2288b","displayName":"Search 0","exportCriteria":"searchHits","exportFormat":"pst","exportType":"exportResult","searchId":"5d5b8f2e-9a53-4a2f-8d0c-0e9c3f6a7b8d"},"suggestedName":"Search 0"}','settled','{"context":{"caseId":"b0073e4e-4184-41c6-9eb7-8c8cc3e2288b"},"id":"7cbbd274-a940-467a-9d3e-077cac9a19cd"}',NULL,1795241308530,0,2,1,0,0,8,0,0,0,0,0,NULL,0,1795241308528,NULL,1795241308548,NULL);
INSERT INTO export VALUES('01a1fcba-4b60-7256-b030-25a2ee21eed7','power-bi','bi','Sales report of June','succeeded',100,1795241429856,1795241431073,1795241430164,1795327829864,1795241431073,0,'black-box','{"format":"PDF","groupId":"f089354e-8366-4e18-aea3-4cb4a3a50b48","reportId":"5b218778-e7a5-4d73-8187-f10824047715"}','[{"contentType":"application/pdf","id":"1","name":"SalesMarketing.pdf"}]',NULL,NULL,NULL,NULL,'{"id":"Mi9CbG9iSWRWMi05ZTJhNTJjNS1jMjE0LTRhOTItODM2ZS0wYWI5NmY5MTdmMTFsek82TGVNSFp0ejBlMjhkelRVXzdTVXhzRnZVaExqNVhEZjgwN3lMOTEySS4=","status":"Succeeded"}',4,'{"needsSecrets":false,"source":{"format":"PDF","groupId":"f089354e-8366-4e18-aea3-4cb4a3a50b48","reportId":"5b218778-e7a5-4d73-8187-f10824047715"},"suggestedName":"Power BI report 5b218778-e7a5-4d73-8187-f10824047715 as PDF"}','settled','{"context":{"format":"PDF","groupId":"f089354e-8366-4e18-aea3-4cb4a3a50b48","reportId":"5b218778-e7a5-4d73-8187-f10824047715"},"id":"Mi9CbG9iSWRWMi05ZTJhNTJjNS1jMjE0LTRhOTItODM2ZS0wYWI5NmY5MTdmMTFsek82TGVNSFp0ejBlMjhkelRVXzdTVXhzRnZVaExqNVhEZjgwN3lMOTEySS4="}',NULL,1795241429861,0,1,1,0,0,2,0,0,0,0,0,NULL,0,1795241429856,NULL,1795241429865,NULL);
INSERT INTO export VALUES('01a1fcba-6e11-7efa-9427-46a93f04c716','power-bi','bi','Sales report of June','canceled',0,1795241438737,1795241438779,1795241438779,NULL,1795241438766,0,'black-box','{"format":"PDF","groupId":"f089354e-8366-4e18-aea3-4cb4a3a50b48","reportId":"5b218778-e7a5-4d73-8187-f10824047715"}','[]',NULL,'unsupported',NULL,'{"code":"unsupported-by-provider","detail":"The provider cannot cancel: the gateway stopped tracking the export, and it may go on upstream."}','{"id":"MS9CbG9iSWRWMi0yY2YyZGJjNC1jNThjLTQ2NTYtOTQyOC0yZDg1MDFhODM2NzlUN043UjYtUXNfaGVTUWxCNmp0MFJQZ3Nhbmh6X2lMTWpsMU5nRVVBNkQwLg==","status":"NotStarted"}',3,'{"needsSecrets":false,"source":{"format":"PDF","groupId":"f089354e-8366-4e18-aea3-4cb4a3a50b48","reportId":"5b218778-e7a5-4d73-8187-f10824047715"},"suggestedName":"Power BI report 5b218778-e7a5-4d73-8187-f10824047715 as PDF"}','settled','{"context":{"format":"PDF","groupId":"f089354e-8366-4e18-aea3-4cb4a3a50b48","reportId":"5b218778-e7a5-4d73-8187-f10824047715"},"id":"MS9CbG9iSWRWMi0yY2YyZGJjNC1jNThjLTQ2NTYtOTQyOC0yZDg1MDFhODM2NzlUN043UjYtUXNfaGVTUWxCNmp0MFJQZ3Nhbmh6X2lMTWpsMU5nRVVBNkQwLg=="}',NULL,1795241438740,0,2,1,0,0,2,0,0,0,0,0,NULL,0,1795241438737,NULL,1795241438743,NULL);
CREATE TABLE idempotency (
    caller TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    export_id TEXT NOT NULL REFERENCES export (id),
    created_at INTEGER NOT NULL,
    PRIMARY KEY (caller, key)
) STRICT, WITHOUT ROWID;
INSERT INTO idempotency VALUES('black-box','0','651b522376f6a5d31403d168b88c105062e6db701529fdee1ab5e6ab70eb46f3','01a1fcba-4b60-7256-b030-25a2ee21eed7',1795241429856);
CREATE INDEX export_by_provider ON export (provider, id);
CREATE INDEX export_by_connection ON export (connection, id);
CREATE INDEX export_by_status ON export (status, id);
CREATE INDEX export_unfinished ON export (id) WHERE phase <> 'settled';
CREATE INDEX export_expiring ON export (expires_at)
    WHERE status IN ('succeeded', 'partiallySucceeded') AND expires_at IS NOT NULL;
CREATE INDEX idempotency_by_age ON idempotency (created_at);
COMMIT;
