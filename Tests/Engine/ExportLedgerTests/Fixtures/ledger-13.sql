BEGIN TRANSACTION;
CREATE TABLE "delivery" (
    export_id TEXT NOT NULL REFERENCES export (id),
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    file_id TEXT,
    caller TEXT NOT NULL,
    request_id TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER,
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
INSERT INTO "delivery" VALUES('01a22574-62e9-71d4-8f20-2dc74a0301ac','01a22574-681f-77cc-a907-141dc986995b','delivery','1','black-box','b5ffedc0ea714a94',1795924715551,1795924715558,'identity',NULL,NULL,65536,65536,'2fea73a3d86198055c064a67218e57965c968c214ed882251323128de752709d',0,'whole',NULL);
CREATE TABLE "export" (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL,
revision INTEGER NOT NULL,
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
destination TEXT,
cancellation TEXT,
phase TEXT NOT NULL,
awaits_authorization INTEGER NOT NULL,
next_action_at INTEGER,
scheduled_at INTEGER,
submitting_since INTEGER,
upstream_submitting_since INTEGER,
cancel_wished INTEGER NOT NULL,
fence INTEGER NOT NULL,
lease_owner TEXT,
submission_attempts INTEGER NOT NULL,
resubmissions INTEGER NOT NULL,
reconcile_misses INTEGER NOT NULL,
polls INTEGER NOT NULL,
failures INTEGER NOT NULL,
missing_since INTEGER,
start_is_accepted INTEGER NOT NULL,
decision TEXT,
file_lag_attempts INTEGER NOT NULL,
cancel_attempts INTEGER NOT NULL,
observe_before_cancel INTEGER NOT NULL,
accepted_since INTEGER NOT NULL,
recovering_since INTEGER,
tracking_since INTEGER,
unknown_since INTEGER,
files_pending_since INTEGER,
files_missing_since INTEGER,
    lease_epoch INTEGER NOT NULL DEFAULT 0,
    upstream TEXT,
reference TEXT,
notice TEXT,
error TEXT,
cancel_refusal TEXT,
files TEXT NOT NULL,
readings TEXT
) STRICT;
INSERT INTO "export" VALUES(1,'01a22574-62e9-71d4-8f20-2dc74a0301ac',5,'power-bi','bi','Report','succeeded',100,1795924714217,1795924715558,1795924714534,1796011114234,1795924715448,0,'black-box',NULL,NULL,'settled',0,NULL,NULL,1795924714231,NULL,0,1,'d24dcd1f61bf134ca5dee93bc48c0960',1,0,0,2,0,NULL,0,NULL,0,0,0,1795924714231,NULL,1795924714236,NULL,NULL,NULL,1,'{"id":"MS9CbG9iSWRWMi1mZjk5Nzc4Yi0zNDdlLTQ1Y2QtODU3NC1lZjlhYjVkZTEzYjFvX2ZobEpSeFQ4X0xQTktVRkozbUNMTGFpZUw5SDlfb2tpQ1FEY0FpaGh5TS4=","status":"Succeeded"}','{"context":{"format":"PDF","groupId":"f089354e-8366-4e18-aea3-4cb4a3a50b48","reportId":"5b218778-e7a5-4d73-8187-f10824047715"},"id":"MS9CbG9iSWRWMi1mZjk5Nzc4Yi0zNDdlLTQ1Y2QtODU3NC1lZjlhYjVkZTEzYjFvX2ZobEpSeFQ4X0xQTktVRkozbUNMTGFpZUw5SDlfb2tpQ1FEY0FpaGh5TS4="}',NULL,NULL,NULL,'[{"contentType":"application/pdf","crc32":42575580,"digestSource":"gateway","digestState":"claimed","id":"1","name":"SalesMarketing.pdf","sha256":"2fea73a3d86198055c064a67218e57965c968c214ed882251323128de752709d","size":65536,"sizeSource":"gateway","sizeState":"claimed"}]','[{"delivery":"01a22574-681f-77cc-a907-141dc986995b","fileID":"1","sha256":"2fea73a3d86198055c064a67218e57965c968c214ed882251323128de752709d","size":65536}]');
INSERT INTO "export" VALUES(2,'01a22574-6828-7852-aab2-40480ef7e7fa',4,'graph-ediscovery','purview','Search 1','succeeded',100,1795924715560,1795924715975,1795924715867,1797134315867,1795924715975,0,'black-box',NULL,NULL,'settled',0,NULL,NULL,1795924715564,NULL,0,1,'d24dcd1f61bf134ca5dee93bc48c0960',1,0,0,1,0,NULL,0,NULL,0,0,0,1795924715564,NULL,1795924715569,NULL,NULL,NULL,1,'{"id":"cd7b8860-c09b-498d-867e-64e9facd6380","status":"succeeded"}','{"context":{"caseId":"b0073e4e-4184-41c6-9eb7-8c8cc3e2288b"},"id":"cd7b8860-c09b-498d-867e-64e9facd6380"}',NULL,NULL,NULL,'[{"contentType":"application/zip","id":"1","name":"PSTs.001.Search_1.zip","size":65536,"sizeSource":"upstream","sizeState":"claimed"},{"contentType":"application/zip","id":"2","name":"Reports-Search_1.zip","size":7964,"sizeSource":"upstream","sizeState":"claimed"}]',NULL);
INSERT INTO "export" VALUES(3,'01a22574-6a2a-781d-a9b4-f3a6d831859d',4,'viva-goals','goals','Goals','succeeded',NULL,1795924716074,1795924717288,1795924717288,1796011116080,1795924717288,0,'black-box',NULL,NULL,'settled',0,NULL,NULL,1795924716076,NULL,0,1,'d24dcd1f61bf134ca5dee93bc48c0960',1,0,0,2,0,NULL,0,NULL,0,0,0,1795924716076,NULL,1795924716082,NULL,NULL,NULL,1,'{"id":"j!haYkfIZ-9GBkqy9Mju_409pK6iSyYrt4jFtpsI4MBy0","status":"succeeded"}','{"context":{"explorerViewId":"e41588b2-f77c-4c22-8bfb-6c9f4b9b002c","goalsOrganizationId":"94a356ab-53d5-40e7-8a85-053d6d3b9eb3","name":"Goals"},"id":"j!haYkfIZ-9GBkqy9Mju_409pK6iSyYrt4jFtpsI4MBy0"}',NULL,NULL,NULL,'[{"contentType":"text/csv","id":"1","name":"Goals.csv"}]',NULL);
INSERT INTO "export" VALUES(4,'01a22574-707c-7a46-bcae-9aaa11d66bad',2,'graph-ediscovery','purview','Search 2','canceled',NULL,1795924717692,1795924717697,1795924717697,NULL,NULL,0,'black-box',NULL,'confirmed','settled',0,NULL,NULL,NULL,NULL,0,2,'895e5cac7243dbdaca26e339607583a4',0,0,0,0,0,NULL,0,NULL,0,0,0,1795924717692,NULL,NULL,NULL,NULL,NULL,1,NULL,NULL,NULL,'{"code":"canceled","detail":"The export was canceled.","title":"The export was canceled","type":"urn:export-gateway:problem:canceled"}',NULL,'[]',NULL);
INSERT INTO "export" VALUES(5,'01a22574-7086-7d1d-b8fb-05d608e5cc20',2,'power-bi','bi','Ledger','notStarted',0,1795924717702,1795924717714,NULL,NULL,1795924717714,0,'black-box',NULL,NULL,'tracking',0,1795924717914,1795924717714,1795924717709,NULL,0,1,'895e5cac7243dbdaca26e339607583a4',1,0,0,1,0,NULL,0,NULL,0,0,0,1795924717709,NULL,1795924717714,NULL,NULL,NULL,1,'{"id":"MS9CbG9iSWRWMi1kYjM2NzQ4My0xNWJkLTRlZjgtYjM2MS0zOTBkODA2MjYxZWJvbjZRQVBjbkQxYk9ib3pLZWVtU0JfMWVCR3F6eE52R3p1Mmhya3RzSVd6ZC4=","status":"NotStarted"}','{"context":{"format":"PDF","groupId":"f089354e-8366-4e18-aea3-4cb4a3a50b48","reportId":"5b218778-e7a5-4d73-8187-f10824047715"},"id":"MS9CbG9iSWRWMi1kYjM2NzQ4My0xNWJkLTRlZjgtYjM2MS0zOTBkODA2MjYxZWJvbjZRQVBjbkQxYk9ib3pLZWVtU0JfMWVCR3F6eE52R3p1Mmhya3RzSVd6ZC4="}',NULL,NULL,NULL,'[]',NULL);
CREATE TABLE export_event (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    export_id TEXT NOT NULL,
    created_by TEXT NOT NULL,
    revision INTEGER NOT NULL,
    status TEXT NOT NULL,
    percent_complete INTEGER,
    is_final INTEGER NOT NULL,
    code TEXT,
    time INTEGER NOT NULL
) STRICT;
INSERT INTO "export_event" VALUES(1,'01a22574-62e9-71d4-8f20-2dc74a0301ac','black-box',1,'notStarted',NULL,0,NULL,1795924714217);
INSERT INTO "export_event" VALUES(2,'01a22574-62e9-71d4-8f20-2dc74a0301ac','black-box',2,'notStarted',0,0,NULL,1795924714236);
INSERT INTO "export_event" VALUES(3,'01a22574-62e9-71d4-8f20-2dc74a0301ac','black-box',3,'running',50,0,NULL,1795924714444);
INSERT INTO "export_event" VALUES(4,'01a22574-62e9-71d4-8f20-2dc74a0301ac','black-box',4,'succeeded',100,1,NULL,1795924715448);
INSERT INTO "export_event" VALUES(5,'01a22574-62e9-71d4-8f20-2dc74a0301ac','black-box',5,'succeeded',100,1,NULL,1795924715558);
INSERT INTO "export_event" VALUES(6,'01a22574-6828-7852-aab2-40480ef7e7fa','black-box',1,'notStarted',NULL,0,NULL,1795924715560);
INSERT INTO "export_event" VALUES(7,'01a22574-6828-7852-aab2-40480ef7e7fa','black-box',2,'notStarted',NULL,0,NULL,1795924715569);
INSERT INTO "export_event" VALUES(8,'01a22574-6828-7852-aab2-40480ef7e7fa','black-box',3,'running',50,0,NULL,1795924715772);
INSERT INTO "export_event" VALUES(9,'01a22574-6828-7852-aab2-40480ef7e7fa','black-box',4,'succeeded',100,1,NULL,1795924715975);
INSERT INTO "export_event" VALUES(10,'01a22574-6a2a-781d-a9b4-f3a6d831859d','black-box',1,'notStarted',NULL,0,NULL,1795924716074);
INSERT INTO "export_event" VALUES(11,'01a22574-6a2a-781d-a9b4-f3a6d831859d','black-box',2,'notStarted',NULL,0,NULL,1795924716082);
INSERT INTO "export_event" VALUES(12,'01a22574-6a2a-781d-a9b4-f3a6d831859d','black-box',3,'running',NULL,0,NULL,1795924716285);
INSERT INTO "export_event" VALUES(13,'01a22574-6a2a-781d-a9b4-f3a6d831859d','black-box',4,'succeeded',NULL,1,NULL,1795924717288);
INSERT INTO "export_event" VALUES(14,'01a22574-707c-7a46-bcae-9aaa11d66bad','black-box',1,'notStarted',NULL,0,NULL,1795924717692);
INSERT INTO "export_event" VALUES(15,'01a22574-707c-7a46-bcae-9aaa11d66bad','black-box',2,'canceled',NULL,1,'canceled',1795924717697);
INSERT INTO "export_event" VALUES(16,'01a22574-7086-7d1d-b8fb-05d608e5cc20','black-box',1,'notStarted',NULL,0,NULL,1795924717702);
INSERT INTO "export_event" VALUES(17,'01a22574-7086-7d1d-b8fb-05d608e5cc20','black-box',2,'notStarted',0,0,NULL,1795924717714);
CREATE TABLE export_request (
    key INTEGER PRIMARY KEY REFERENCES export (key) ON DELETE CASCADE,
    source TEXT NOT NULL,
    plan TEXT NOT NULL
) STRICT;
INSERT INTO "export_request" VALUES(1,'{"format":"PDF","groupId":"f089354e-8366-4e18-aea3-4cb4a3a50b48","reportId":"5b218778-e7a5-4d73-8187-f10824047715"}','{"needsSecrets":false,"source":{"format":"PDF","groupId":"f089354e-8366-4e18-aea3-4cb4a3a50b48","reportId":"5b218778-e7a5-4d73-8187-f10824047715"},"suggestedName":"Power BI report 5b218778-e7a5-4d73-8187-f10824047715 as PDF"}');
INSERT INTO "export_request" VALUES(2,'{"additionalOptions":"includeReport","caseId":"b0073e4e-4184-41c6-9eb7-8c8cc3e2288b","displayName":"Search 1","exportCriteria":"searchHits","exportFormat":"pst","exportType":"exportResult","searchId":"5d5b8f2e-9a53-4a2f-8d0c-0e9c3f6a7b8d"}','{"needsSecrets":false,"source":{"additionalOptions":"includeReport","caseId":"b0073e4e-4184-41c6-9eb7-8c8cc3e2288b","displayName":"Search 1","exportCriteria":"searchHits","exportFormat":"pst","exportType":"exportResult","searchId":"5d5b8f2e-9a53-4a2f-8d0c-0e9c3f6a7b8d"},"suggestedName":"Search 1"}');
INSERT INTO "export_request" VALUES(3,'{"explorerViewId":"e41588b2-f77c-4c22-8bfb-6c9f4b9b002c","goalsOrganizationId":"94a356ab-53d5-40e7-8a85-053d6d3b9eb3"}','{"needsSecrets":false,"source":{"explorerViewId":"e41588b2-f77c-4c22-8bfb-6c9f4b9b002c","goalsOrganizationId":"94a356ab-53d5-40e7-8a85-053d6d3b9eb3"},"suggestedName":"Viva Goals view e41588b2-f77c-4c22-8bfb-6c9f4b9b002c"}');
INSERT INTO "export_request" VALUES(4,'{"additionalOptions":"includeReport","caseId":"b0073e4e-4184-41c6-9eb7-8c8cc3e2288b","displayName":"Search 2","exportCriteria":"searchHits","exportFormat":"pst","exportType":"exportResult","searchId":"5d5b8f2e-9a53-4a2f-8d0c-0e9c3f6a7b8d"}','{"needsSecrets":false,"source":{"additionalOptions":"includeReport","caseId":"b0073e4e-4184-41c6-9eb7-8c8cc3e2288b","displayName":"Search 2","exportCriteria":"searchHits","exportFormat":"pst","exportType":"exportResult","searchId":"5d5b8f2e-9a53-4a2f-8d0c-0e9c3f6a7b8d"},"suggestedName":"Search 2"}');
INSERT INTO "export_request" VALUES(5,'{"format":"PDF","groupId":"f089354e-8366-4e18-aea3-4cb4a3a50b48","reportId":"5b218778-e7a5-4d73-8187-f10824047715"}','{"needsSecrets":false,"source":{"format":"PDF","groupId":"f089354e-8366-4e18-aea3-4cb4a3a50b48","reportId":"5b218778-e7a5-4d73-8187-f10824047715"},"suggestedName":"Power BI report 5b218778-e7a5-4d73-8187-f10824047715 as PDF"}');
CREATE TABLE export_tombstone (
    id TEXT NOT NULL PRIMARY KEY,
    created_by TEXT NOT NULL,
    status TEXT NOT NULL,
    time INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE grdb_migrations (identifier TEXT NOT NULL PRIMARY KEY);
INSERT INTO "grdb_migrations" VALUES('1 exports and idempotency keys');
INSERT INTO "grdb_migrations" VALUES('2 deliveries');
INSERT INTO "grdb_migrations" VALUES('3 exports by creator');
INSERT INTO "grdb_migrations" VALUES('4 refresh tokens');
INSERT INTO "grdb_migrations" VALUES('5 every end has a time and a reason');
INSERT INTO "grdb_migrations" VALUES('6 deliveries that begin');
INSERT INTO "grdb_migrations" VALUES('7 unconfirmed starts');
INSERT INTO "grdb_migrations" VALUES('8 readings of files');
INSERT INTO "grdb_migrations" VALUES('9 files to be measured');
INSERT INTO "grdb_migrations" VALUES('10 exports that may have an unknown job');
INSERT INTO "grdb_migrations" VALUES('11 the engine that works on an export');
INSERT INTO "grdb_migrations" VALUES('12 lists by every filter');
INSERT INTO "grdb_migrations" VALUES('13 requests, changes and leases');
CREATE TABLE idempotency (
    caller TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    export_id TEXT NOT NULL REFERENCES export (id),
    created_at INTEGER NOT NULL,
    PRIMARY KEY (caller, key)
) STRICT, WITHOUT ROWID;
INSERT INTO "idempotency" VALUES('black-box','key-1','cc1f6dcc89531c68b216fe1c1af2ff811ba660b4c35b5359ea9896727239e019','01a22574-62e9-71d4-8f20-2dc74a0301ac',1795924714217);
CREATE TABLE measurement (
    export_id TEXT NOT NULL PRIMARY KEY REFERENCES export (id),
    due_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "measurement" VALUES('01a22574-62e9-71d4-8f20-2dc74a0301ac',1795924715448,0);
INSERT INTO "measurement" VALUES('01a22574-6828-7852-aab2-40480ef7e7fa',1795924715975,0);
INSERT INTO "measurement" VALUES('01a22574-6a2a-781d-a9b4-f3a6d831859d',1795924717288,0);
CREATE TABLE refresh_token (
    export_id TEXT NOT NULL PRIMARY KEY REFERENCES export (id),
    sealed BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_by_age ON idempotency (created_at);
CREATE INDEX delivery_by_request ON delivery (export_id, request_id, id);
CREATE INDEX delivery_under_way ON delivery (export_id, id) WHERE outcome = 'underWay';
CREATE INDEX measurement_by_time ON measurement (due_at, export_id);
CREATE UNIQUE INDEX export_by_id ON export (id);
CREATE INDEX export_by_provider_status ON export (provider, status, id);
CREATE INDEX export_by_connection_provider_status ON export (connection, provider, status, id);
CREATE INDEX export_by_creator_provider_status ON export (created_by, provider, status, id);
CREATE INDEX export_by_creator_connection_provider_status
    ON export (created_by, connection, provider, status, id);
CREATE INDEX export_unfinished ON export (id) WHERE phase <> 'settled';
CREATE INDEX export_unconfirmed ON export (provider, connection) WHERE recovering_since IS NOT NULL;
CREATE INDEX export_expiring ON export (expires_at)
    WHERE status IN ('succeeded', 'partiallySucceeded') AND expires_at IS NOT NULL;
CREATE INDEX export_by_job ON export (json_extract(reference, '$.id'))
    WHERE reference IS NOT NULL AND json_valid(reference);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('export',5);
INSERT INTO "sqlite_sequence" VALUES('export_event',17);
COMMIT;
