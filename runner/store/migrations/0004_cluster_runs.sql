-- What a run is for: its pipeline has stages of its own.
ALTER TABLE runs ADD COLUMN kind TEXT NOT NULL DEFAULT 'deploy' CHECK (kind IN ('deploy', 'cluster', 'removal'));

-- The literal states of these are all that there are by now.
DROP INDEX runs_claimable;
CREATE INDEX runs_claimable ON runs (environment, id)
    WHERE state IN ('queued', 'ready', 'gate', 'render', 'plan', 'secrets', 'apply', 'wait', 'ensure', 'remove', 'verify', 'publish', 'rollback');
DROP INDEX runs_lane;
CREATE INDEX runs_lane ON runs (environment, kind, lane, id)
    WHERE state IN ('queued', 'held', 'ready', 'gate', 'render', 'plan') AND trigger = 'automatic';
DROP INDEX runs_in_execute;
CREATE UNIQUE INDEX runs_in_execute ON runs (environment)
    WHERE state IN ('secrets', 'apply', 'wait', 'ensure', 'remove', 'verify', 'publish', 'rollback');

-- What the provider told while the attempt was under way: a list of lines.
ALTER TABLE journal ADD COLUMN progress TEXT;

-- The clusters that runs have made, and the way into each.
CREATE TABLE clusters (
    environment  TEXT PRIMARY KEY REFERENCES environments (name),
    provider     TEXT NOT NULL,
    name         TEXT NOT NULL,
    version      TEXT,
    -- Sealed: a credential.
    kubeconfig   BLOB NOT NULL,
    run          INTEGER NOT NULL,
    published_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
