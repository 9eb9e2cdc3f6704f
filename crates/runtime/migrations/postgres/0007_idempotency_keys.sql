-- The keys of requests that callers may repeat. `request` is a hash; `response` is NULL while the request is under way, and
-- when it is too long. A request that is not completed at `overdue_at` never will be: its process ended.
CREATE TABLE idempotency_keys (
    subject TEXT NOT NULL,
    operation TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    request TEXT NOT NULL,
    owner TEXT NOT NULL,
    response TEXT,
    size BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    overdue_at BIGINT NOT NULL,
    completed_at BIGINT,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (subject, operation, idempotency_key)
);

CREATE INDEX idempotency_keys_by_age ON idempotency_keys (subject, created_at);
CREATE INDEX idempotency_keys_by_end ON idempotency_keys (expires_at);
