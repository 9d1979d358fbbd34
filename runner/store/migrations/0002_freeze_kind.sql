-- Whether what a person ordered to stand still is closed to everybody (freeze) or to automatic runs only (pause).
ALTER TABLE environments ADD COLUMN freeze_kind TEXT NOT NULL DEFAULT 'pause' CHECK (freeze_kind IN ('freeze', 'pause'));
