-- Moments are milliseconds since 1970-01-01T00:00:00Z.
CREATE TABLE refresh_families (
    family TEXT NOT NULL PRIMARY KEY,
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT
);

CREATE INDEX refresh_families_by_end ON refresh_families (expires_at);

CREATE TABLE refresh_tokens (
    hash TEXT NOT NULL PRIMARY KEY,
    family TEXT NOT NULL REFERENCES refresh_families (family) ON DELETE CASCADE,
    subject TEXT NOT NULL,
    roles TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT
);

CREATE INDEX refresh_tokens_by_family ON refresh_tokens (family);
