-- A version counts the changes of a collection. Caches of its passages compare it with their own.
CREATE TABLE document_collections (
    name TEXT NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE documents (
    collection TEXT NOT NULL,
    id TEXT NOT NULL,
    -- The version of its collection that put or removed it. Of a document that was removed this line stays, without a
    -- head and a text, so that others hear of it.
    version INTEGER NOT NULL,
    -- JSON: all but the text. JSON can write every character, a column of text can't.
    head TEXT,
    -- JSON: the text.
    body TEXT,
    -- What embedded it.
    model TEXT NOT NULL,
    passages INTEGER NOT NULL,
    PRIMARY KEY (collection, id)
) STRICT;

CREATE INDEX documents_by_version ON documents (collection, version);

-- A passage's body is JSON: {"title": "...", "text": "..."}. The vector is its numbers, four bytes each, the lowest first.
CREATE TABLE document_passages (
    collection TEXT NOT NULL,
    document TEXT NOT NULL,
    number INTEGER NOT NULL,
    body TEXT NOT NULL,
    vector BLOB NOT NULL,
    PRIMARY KEY (collection, document, number),
    FOREIGN KEY (collection, document) REFERENCES documents (collection, id) ON DELETE CASCADE
) STRICT;
