-- Whoever follows runs asks for what changed since the last look.
CREATE INDEX runs_changed ON runs (updated_at, id);
