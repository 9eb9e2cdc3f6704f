-- Rows that are written to learn whether writing works. There are several, so that processes don't wait for each other.
CREATE TABLE write_probes (
    id INTEGER NOT NULL PRIMARY KEY,
    written_at INTEGER NOT NULL
) STRICT;

INSERT INTO write_probes (id, written_at)
WITH RECURSIVE ids (id) AS (VALUES (1) UNION ALL SELECT id + 1 FROM ids WHERE id < 32)
SELECT id, 0 FROM ids;

CREATE INDEX refresh_tokens_by_end ON refresh_tokens (expires_at);
