-- Rows that are written to learn whether writing works. There are several, so that processes don't wait for each other.
CREATE TABLE write_probes (
    id BIGINT NOT NULL PRIMARY KEY,
    written_at BIGINT NOT NULL
);

INSERT INTO write_probes (id, written_at) SELECT id, 0 FROM generate_series(1, 32) AS ids (id);

CREATE INDEX refresh_tokens_by_end ON refresh_tokens (expires_at);
