-- What a turn leaves if its process dies: the user's message (a JSON string), when the turn began and how long the session lives
-- after it, in milliseconds. NULL for a lease that only deletes, or of a program from before this migration.
ALTER TABLE session_leases ADD COLUMN question TEXT;
ALTER TABLE session_leases ADD COLUMN began_at BIGINT;
ALTER TABLE session_leases ADD COLUMN session_ttl BIGINT;
