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
INSERT INTO "delivery" VALUES('01a22560-681d-7ddf-831a-49c81eb44817','01a22560-6d28-7f8f-af96-28ebd4c48624','delivery','1','black-box','4042f553901f49da',1795923406120,1795923406124,'identity',NULL,NULL,65536,65536,'9bde993ac7da90ac07c6d4b4d9bef76545530662689273b02df5e2f7f2309786',0,'whole',NULL);
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
    file_lag_attempts INTEGER NOT NULL,
    cancel_attempts INTEGER NOT NULL,
    observe_before_cancel INTEGER NOT NULL,
    cancel_refusal TEXT,
    awaits_authorization INTEGER NOT NULL,
    accepted_since INTEGER NOT NULL,
    recovering_since INTEGER,
    tracking_since INTEGER,
    unknown_since INTEGER
, scheduled_at INTEGER, upstream_submitting_since INTEGER, start_is_accepted INTEGER NOT NULL DEFAULT 0, decision TEXT, missing_since INTEGER, readings TEXT, files_pending_since INTEGER, files_missing_since INTEGER, lease_owner TEXT) STRICT, WITHOUT ROWID;
INSERT INTO "export" VALUES('01a22560-681d-7ddf-831a-49c81eb44817','power-bi','bi','Report','succeeded',100,1795923404829,1795923406124,1795923405159,1796009804859,1795923406084,0,'black-box','{"format":"PDF","groupId":"f089354e-8366-4e18-aea3-4cb4a3a50b48","reportId":"5b218778-e7a5-4d73-8187-f10824047715"}','[{"contentType":"application/pdf","crc32":631640024,"digestSource":"gateway","digestState":"claimed","id":"1","name":"SalesMarketing.pdf","sha256":"9bde993ac7da90ac07c6d4b4d9bef76545530662689273b02df5e2f7f2309786","size":65536,"sizeSource":"gateway","sizeState":"claimed"}]',NULL,NULL,NULL,NULL,'{"id":"MS9CbG9iSWRWMi04MWFjNWEyOS1jOWIyLTRkOWYtYjczNC04Y2U0OWUyZGQ3NmJCV1B1b3ptQ3p2Wk15Z1JpME9jYnhGX2dwWGk2eGFJZWdOWDZuek5zT21TMC4=","status":"Succeeded"}',5,'{"needsSecrets":false,"source":{"format":"PDF","groupId":"f089354e-8366-4e18-aea3-4cb4a3a50b48","reportId":"5b218778-e7a5-4d73-8187-f10824047715"},"suggestedName":"Power BI report 5b218778-e7a5-4d73-8187-f10824047715 as PDF"}','settled','{"context":{"format":"PDF","groupId":"f089354e-8366-4e18-aea3-4cb4a3a50b48","reportId":"5b218778-e7a5-4d73-8187-f10824047715"},"id":"MS9CbG9iSWRWMi04MWFjNWEyOS1jOWIyLTRkOWYtYjczNC04Y2U0OWUyZGQ3NmJCV1B1b3ptQ3p2Wk15Z1JpME9jYnhGX2dwWGk2eGFJZWdOWDZuek5zT21TMC4="}',NULL,1795923404855,0,1,1,0,0,2,0,0,0,0,NULL,0,1795923404829,NULL,1795923404860,NULL,NULL,NULL,0,NULL,NULL,'[{"delivery":"01a22560-6d28-7f8f-af96-28ebd4c48624","fileID":"1","sha256":"9bde993ac7da90ac07c6d4b4d9bef76545530662689273b02df5e2f7f2309786","size":65536}]',NULL,NULL,'b573de79a0e18d51f2280bf7f3649c8a');
INSERT INTO "export" VALUES('01a22560-6d2d-7fbc-8502-8cde699d9eb6','graph-ediscovery','purview','Search 1','succeeded',100,1795923406125,1795923406587,1795923406447,1797133006447,1795923406587,0,'black-box','{"additionalOptions":"includeReport","caseId":"b0073e4e-4184-41c6-9eb7-8c8cc3e2288b","displayName":"Search 1","exportCriteria":"searchHits","exportFormat":"pst","exportType":"exportResult","searchId":"5d5b8f2e-9a53-4a2f-8d0c-0e9c3f6a7b8d"}','[{"contentType":"application/zip","id":"1","name":"PSTs.001.Search_1.zip","size":65536,"sizeSource":"upstream","sizeState":"claimed"},{"contentType":"application/zip","id":"2","name":"Reports-Search_1.zip","size":7964,"sizeSource":"upstream","sizeState":"claimed"}]',NULL,NULL,NULL,NULL,'{"id":"316165c4-bb25-4736-a370-ee180a885852","status":"succeeded"}',4,'{"needsSecrets":false,"source":{"additionalOptions":"includeReport","caseId":"b0073e4e-4184-41c6-9eb7-8c8cc3e2288b","displayName":"Search 1","exportCriteria":"searchHits","exportFormat":"pst","exportType":"exportResult","searchId":"5d5b8f2e-9a53-4a2f-8d0c-0e9c3f6a7b8d"},"suggestedName":"Search 1"}','settled','{"context":{"caseId":"b0073e4e-4184-41c6-9eb7-8c8cc3e2288b"},"id":"316165c4-bb25-4736-a370-ee180a885852"}',NULL,1795923406135,0,1,1,0,0,1,0,0,0,0,NULL,0,1795923406125,NULL,1795923406151,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,'b573de79a0e18d51f2280bf7f3649c8a');
INSERT INTO "export" VALUES('01a22560-6f49-78a0-b72d-17c170a1ef65','viva-goals','goals','Goals','succeeded',NULL,1795923406665,1795923407879,1795923407879,1796009806670,1795923407879,0,'black-box','{"explorerViewId":"b26dd51c-9016-4a65-8417-649e8dd4b6db","goalsOrganizationId":"94a356ab-53d5-40e7-8a85-053d6d3b9eb3"}','[{"contentType":"text/csv","id":"1","name":"Goals.csv"}]',NULL,NULL,NULL,NULL,'{"id":"j!bvB6VRkLlqWKP82y2pO0p1R1hg_o1bum3oX0MtYlL54","status":"succeeded"}',4,'{"needsSecrets":false,"source":{"explorerViewId":"b26dd51c-9016-4a65-8417-649e8dd4b6db","goalsOrganizationId":"94a356ab-53d5-40e7-8a85-053d6d3b9eb3"},"suggestedName":"Viva Goals view b26dd51c-9016-4a65-8417-649e8dd4b6db"}','settled','{"context":{"explorerViewId":"b26dd51c-9016-4a65-8417-649e8dd4b6db","goalsOrganizationId":"94a356ab-53d5-40e7-8a85-053d6d3b9eb3","name":"Goals"},"id":"j!bvB6VRkLlqWKP82y2pO0p1R1hg_o1bum3oX0MtYlL54"}',NULL,1795923406668,0,1,1,0,0,2,0,0,0,0,NULL,0,1795923406665,NULL,1795923406670,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,'b573de79a0e18d51f2280bf7f3649c8a');
INSERT INTO "export" VALUES('01a22560-7535-74c8-9f7f-26ad25da5c1c','graph-ediscovery','purview','Search 2','canceled',NULL,1795923408181,1795923408185,1795923408185,NULL,NULL,0,'black-box','{"additionalOptions":"includeReport","caseId":"b0073e4e-4184-41c6-9eb7-8c8cc3e2288b","displayName":"Search 2","exportCriteria":"searchHits","exportFormat":"pst","exportType":"exportResult","searchId":"5d5b8f2e-9a53-4a2f-8d0c-0e9c3f6a7b8d"}','[]',NULL,'confirmed','{"code":"canceled","detail":"The export was canceled.","title":"The export was canceled","type":"urn:export-gateway:problem:canceled"}',NULL,NULL,2,'{"needsSecrets":false,"source":{"additionalOptions":"includeReport","caseId":"b0073e4e-4184-41c6-9eb7-8c8cc3e2288b","displayName":"Search 2","exportCriteria":"searchHits","exportFormat":"pst","exportType":"exportResult","searchId":"5d5b8f2e-9a53-4a2f-8d0c-0e9c3f6a7b8d"},"suggestedName":"Search 2"}','settled',NULL,NULL,NULL,0,2,0,0,0,0,0,0,0,0,NULL,0,1795923408181,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,'a640cd75f0f3c54045c909307501fa8');
INSERT INTO "export" VALUES('01a22560-753d-77c6-b6c1-af9e804a89d8','power-bi','bi','Ledger','notStarted',0,1795923408189,1795923408200,NULL,NULL,1795923408200,0,'black-box','{"format":"PDF","groupId":"f089354e-8366-4e18-aea3-4cb4a3a50b48","reportId":"5b218778-e7a5-4d73-8187-f10824047715"}','[]',NULL,NULL,NULL,NULL,'{"id":"MS9CbG9iSWRWMi1mZjIxMzE1My0xMTU5LTQyMmQtOTY3Yy1kMzg3NDQ2MGE2MDF4STZVcjRjMlZJSXVLTHJIMlpmaEk2MkYzVFNnWUItb2owNVZQM2JmQ0c4ci4=","status":"NotStarted"}',2,'{"needsSecrets":false,"source":{"format":"PDF","groupId":"f089354e-8366-4e18-aea3-4cb4a3a50b48","reportId":"5b218778-e7a5-4d73-8187-f10824047715"},"suggestedName":"Power BI report 5b218778-e7a5-4d73-8187-f10824047715 as PDF"}','tracking','{"context":{"format":"PDF","groupId":"f089354e-8366-4e18-aea3-4cb4a3a50b48","reportId":"5b218778-e7a5-4d73-8187-f10824047715"},"id":"MS9CbG9iSWRWMi1mZjIxMzE1My0xMTU5LTQyMmQtOTY3Yy1kMzg3NDQ2MGE2MDF4STZVcjRjMlZJSXVLTHJIMlpmaEk2MkYzVFNnWUItb2owNVZQM2JmQ0c4ci4="}',1795923408400,1795923408196,0,1,1,0,0,1,0,0,0,0,NULL,0,1795923408189,NULL,1795923408200,NULL,1795923408200,NULL,0,NULL,NULL,NULL,NULL,NULL,'a640cd75f0f3c54045c909307501fa8');
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
CREATE TABLE idempotency (
    caller TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    export_id TEXT NOT NULL REFERENCES export (id),
    created_at INTEGER NOT NULL,
    PRIMARY KEY (caller, key)
) STRICT, WITHOUT ROWID;
INSERT INTO "idempotency" VALUES('black-box','key-1','cc1f6dcc89531c68b216fe1c1af2ff811ba660b4c35b5359ea9896727239e019','01a22560-681d-7ddf-831a-49c81eb44817',1795923404829);
CREATE TABLE measurement (
    export_id TEXT NOT NULL PRIMARY KEY REFERENCES export (id),
    due_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "measurement" VALUES('01a22560-681d-7ddf-831a-49c81eb44817',1795923406084,0);
INSERT INTO "measurement" VALUES('01a22560-6d2d-7fbc-8502-8cde699d9eb6',1795923406587,0);
INSERT INTO "measurement" VALUES('01a22560-6f49-78a0-b72d-17c170a1ef65',1795923407879,0);
CREATE TABLE refresh_token (
    export_id TEXT NOT NULL PRIMARY KEY REFERENCES export (id),
    sealed BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX export_unfinished ON export (id) WHERE phase <> 'settled';
CREATE INDEX export_expiring ON export (expires_at)
    WHERE status IN ('succeeded', 'partiallySucceeded') AND expires_at IS NOT NULL;
CREATE INDEX idempotency_by_age ON idempotency (created_at);
CREATE INDEX delivery_by_request ON delivery (export_id, request_id, id);
CREATE INDEX delivery_under_way ON delivery (export_id, id) WHERE outcome = 'underWay';
CREATE INDEX export_by_job ON export (json_extract(reference, '$.id'))
    WHERE reference IS NOT NULL AND json_valid(reference);
CREATE INDEX measurement_by_time ON measurement (due_at, export_id);
CREATE INDEX export_unconfirmed ON export (provider, connection) WHERE recovering_since IS NOT NULL;
CREATE INDEX export_by_provider_status ON export (provider, status, id);
CREATE INDEX export_by_connection_provider_status ON export (connection, provider, status, id);
CREATE INDEX export_by_creator_provider_status ON export (created_by, provider, status, id);
CREATE INDEX export_by_creator_connection_provider_status
    ON export (created_by, connection, provider, status, id);
COMMIT;
