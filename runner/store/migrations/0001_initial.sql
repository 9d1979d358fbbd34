-- Times are microseconds since 1970 in UTC. Words such as states and outcomes are those of windlass-core.

CREATE TABLE inbox (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    -- Identity of a CloudEvent; null where the input could not be read as one.
    source      TEXT,
    event_id    TEXT,
    event_type  TEXT,
    subject     TEXT,
    body        BLOB NOT NULL,
    principal   TEXT,
    traceparent TEXT,
    status      TEXT NOT NULL CHECK (status IN ('new', 'planned', 'ignored', 'dead')),
    reason      TEXT,
    received_at INTEGER NOT NULL
) STRICT;
CREATE INDEX inbox_identity ON inbox (source, event_id, received_at) WHERE source IS NOT NULL;
CREATE INDEX inbox_new ON inbox (id) WHERE status = 'new';

CREATE TABLE environments (
    name           TEXT PRIMARY KEY,
    served_at      INTEGER NOT NULL DEFAULT 0,
    freeze_by      TEXT,
    freeze_reason  TEXT,
    freeze_until   INTEGER,
    attention      TEXT
) STRICT;

CREATE TABLE runs (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    event           INTEGER NOT NULL REFERENCES inbox (id),
    environment     TEXT NOT NULL REFERENCES environments (name),
    replay          INTEGER NOT NULL,
    trigger         TEXT NOT NULL,
    commit_id       TEXT NOT NULL,
    lane            TEXT NOT NULL,
    requester       TEXT NOT NULL,
    services        TEXT NOT NULL,
    rollback_to     INTEGER,
    override_by     TEXT,
    override_reason TEXT,
    subject         TEXT NOT NULL,
    traceparent     TEXT,
    created_at      INTEGER NOT NULL,

    state           TEXT NOT NULL,
    -- Rises with every write of the state; a writer that saw an older one has lost.
    version         INTEGER NOT NULL,
    round           INTEGER NOT NULL DEFAULT 0,
    reason_code     TEXT,
    reason_text     TEXT,
    superseded_by   INTEGER,
    updated_at      INTEGER NOT NULL,
    ended_at        INTEGER,

    -- Rises with every claim; a worker that holds an older one has lost.
    epoch           INTEGER NOT NULL DEFAULT 0,
    -- Stays when a worker dies, so that the next claim knows that it did.
    claimed_by      TEXT,
    claim_expires   INTEGER NOT NULL DEFAULT 0,
    crash_count     INTEGER NOT NULL DEFAULT 0,
    cancelled_by    TEXT,

    hold_code       TEXT,
    hold_text       TEXT,
    hold_due        INTEGER,
    hold_expires    INTEGER,
    hold_digest     TEXT,
    held_at         INTEGER,
    -- The earlier of due and expires.
    wake_at         INTEGER,
    woken_by        TEXT,

    UNIQUE (event, environment, replay)
) STRICT;
CREATE INDEX runs_by_environment ON runs (environment, id);
CREATE INDEX runs_claimable ON runs (environment, id)
    WHERE state IN ('queued', 'ready', 'gate', 'render', 'secrets', 'apply', 'wait', 'verify', 'rollback');
CREATE INDEX runs_claimed ON runs (id) WHERE claimed_by IS NOT NULL;
CREATE INDEX runs_active ON runs (id) WHERE ended_at IS NULL;
CREATE INDEX runs_due ON runs (wake_at) WHERE state = 'held' AND wake_at IS NOT NULL;
CREATE INDEX runs_held ON runs (environment, id) WHERE state = 'held';
CREATE INDEX runs_lane ON runs (environment, lane, id)
    WHERE state IN ('queued', 'held', 'ready', 'gate', 'render') AND trigger = 'automatic';
-- At most one run of an environment touches the cluster: the schema itself refuses a second.
CREATE UNIQUE INDEX runs_in_execute ON runs (environment)
    WHERE state IN ('secrets', 'apply', 'wait', 'verify', 'rollback');

CREATE TABLE journal (
    id       INTEGER PRIMARY KEY,
    run      INTEGER NOT NULL REFERENCES runs (id),
    stage    TEXT NOT NULL,
    attempt  INTEGER NOT NULL,
    epoch    INTEGER NOT NULL,
    round    INTEGER NOT NULL,
    intent   TEXT NOT NULL,
    result   TEXT,
    error    TEXT,
    began_at INTEGER NOT NULL,
    ended_at INTEGER,
    UNIQUE (run, stage, attempt)
) STRICT;

CREATE TABLE leases (
    environment TEXT PRIMARY KEY REFERENCES environments (name),
    -- Never decreases.
    epoch       INTEGER NOT NULL DEFAULT 0,
    run         INTEGER,
    expires_at  INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE approvals (
    run      INTEGER NOT NULL REFERENCES runs (id),
    digest   TEXT NOT NULL,
    approver TEXT NOT NULL,
    decision TEXT NOT NULL CHECK (decision IN ('approved', 'rejected')),
    reason   TEXT,
    at       INTEGER NOT NULL,
    PRIMARY KEY (run, digest, approver)
) STRICT, WITHOUT ROWID;

CREATE TABLE bars (
    environment TEXT NOT NULL REFERENCES environments (name),
    commit_id   TEXT NOT NULL,
    run         INTEGER NOT NULL,
    reason      TEXT NOT NULL,
    at          INTEGER NOT NULL,
    PRIMARY KEY (environment, commit_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE artefacts (
    digest TEXT PRIMARY KEY,
    size   INTEGER NOT NULL,
    sealed BLOB NOT NULL
) STRICT;

CREATE TABLE releases (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    run         INTEGER NOT NULL REFERENCES runs (id),
    environment TEXT NOT NULL REFERENCES environments (name),
    commit_id   TEXT NOT NULL,
    digest      TEXT NOT NULL,
    verified    INTEGER NOT NULL DEFAULT 0,
    applied_at  INTEGER NOT NULL,
    UNIQUE (run, digest)
) STRICT;
CREATE INDEX releases_by_environment ON releases (environment, id);

CREATE TABLE audit (
    environment TEXT NOT NULL,
    seq         INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    actor       TEXT NOT NULL,
    action      TEXT NOT NULL,
    run         INTEGER,
    detail      TEXT NOT NULL,
    hash        TEXT NOT NULL,
    PRIMARY KEY (environment, seq)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
CREATE TRIGGER audit_is_never_deleted BEFORE DELETE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
-- The end of each chain, sealed, so that entries cut off at the end are missed.
CREATE TABLE audit_heads (
    environment TEXT PRIMARY KEY,
    seq         INTEGER NOT NULL,
    hash        TEXT NOT NULL,
    seal        TEXT NOT NULL
) STRICT;

CREATE TABLE queue (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    message    BLOB NOT NULL,
    attempt    INTEGER NOT NULL DEFAULT 0,
    visible_at INTEGER NOT NULL,
    -- The session that has it in hand.
    session    INTEGER,
    -- Which call of that session took it.
    batch      INTEGER,
    -- Why it was rejected.
    dead       TEXT
) STRICT;
CREATE INDEX queue_waiting ON queue (id) WHERE session IS NULL AND dead IS NULL;
CREATE INDEX queue_visible ON queue (visible_at) WHERE session IS NULL AND dead IS NULL;
CREATE INDEX queue_in_hand ON queue (session) WHERE session IS NOT NULL;
CREATE INDEX queue_dead ON queue (id) WHERE dead IS NOT NULL;
