//! Idempotency keys in a database.

use std::time::Duration;

use crate::error::store_error::StoreError;
use crate::future::BoxFuture;
use crate::run::idempotency_keys::{
    CALLER_BYTES, IdempotencyKey, IdempotencyKeys, Reserved, TTL, stored,
};
use crate::store::sql_database::{Query, query};
use crate::store::sql_store::SqlStore;
use crate::store::sql_values::{escape_nul, signed};

const RESERVE: &str = "INSERT INTO idempotency_keys (subject, operation, idempotency_key, request, owner, size, \
     created_at, overdue_at, expires_at) \
     VALUES ($1, $2, $3, $4, $5, $6, {now}, {now} + $7, {now} + $8) \
     ON CONFLICT (subject, operation, idempotency_key) DO UPDATE SET request = excluded.request, \
     owner = excluded.owner, response = NULL, completed_at = NULL, size = excluded.size, \
     created_at = excluded.created_at, overdue_at = excluded.overdue_at, expires_at = excluded.expires_at \
     WHERE idempotency_keys.expires_at <= {now}";
const FIND: &str = "SELECT request, response, completed_at, overdue_at - {now} AS time_left FROM idempotency_keys \
     WHERE subject = $1 AND operation = $2 AND idempotency_key = $3";
const COMPLETE: &str = "UPDATE idempotency_keys SET response = $5, size = $6, completed_at = {now} \
     WHERE subject = $1 AND operation = $2 AND idempotency_key = $3 AND owner = $4";
const RELEASE: &str = "DELETE FROM idempotency_keys \
     WHERE subject = $1 AND operation = $2 AND idempotency_key = $3 AND owner = $4 AND completed_at IS NULL";
/// The oldest responses of one caller, beyond so many bytes.
const TRIM: &str = "DELETE FROM idempotency_keys WHERE subject = $1 AND completed_at IS NOT NULL \
     AND created_at <= (SELECT MAX(created_at) FROM (SELECT created_at, \
     SUM(size) OVER (ORDER BY created_at DESC, operation, idempotency_key) AS total \
     FROM idempotency_keys WHERE subject = $1) AS sized WHERE total > $2)";
const PURGE: &str = "DELETE FROM idempotency_keys WHERE (subject, operation, idempotency_key) IN \
     (SELECT subject, operation, idempotency_key FROM idempotency_keys WHERE expires_at <= {now} LIMIT $1)";

impl SqlStore {
    /// `sql`, whose first three parameters are a key.
    fn of_key(&self, sql: &str, key: &IdempotencyKey) -> Query {
        self.database
            .query(sql)
            .bind(escape_nul(&key.subject))
            .bind(escape_nul(&key.operation))
            .bind(&key.key)
    }

    async fn find_key(
        &self,
        key: &IdempotencyKey,
        hash: &str,
    ) -> Result<Option<Reserved>, StoreError> {
        let row = self.of_key(FIND, key);
        let Some(row) = row.fetch_optional(self.database.write()).await? else {
            return Ok(None);
        };
        Ok(Some(if row.text("request")? != hash {
            Reserved::Other
        } else if row.optional_integer("completed_at")?.is_some() {
            Reserved::Response(row.optional_text("response")?)
        } else if row.integer("time_left")? <= 0 {
            Reserved::Unknown
        } else {
            Reserved::UnderWay
        }))
    }
}

impl IdempotencyKeys for SqlStore {
    fn reserve<'a>(
        &'a self,
        key: &'a IdempotencyKey,
        hash: &'a str,
        owner: &'a str,
        time: Duration,
    ) -> BoxFuture<'a, Result<Reserved, StoreError>> {
        Box::pin(async move {
            loop {
                let reserve = self.of_key(RESERVE, key).bind(hash).bind(owner);
                let reserve = reserve
                    .bind(signed(key.size(0)))
                    .bind(signed(time.as_millis()))
                    .bind(signed(TTL.as_millis()));
                if reserve.execute(self.database.write()).await? > 0 {
                    return Ok(Reserved::New);
                }
                // Between the two statements its try may have failed, and freed it.
                if let Some(found) = self.find_key(key, hash).await? {
                    return Ok(found);
                }
            }
        })
    }

    fn complete<'a>(
        &'a self,
        key: &'a IdempotencyKey,
        owner: &'a str,
        response: &'a str,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let response = stored(response);
            self.of_key(COMPLETE, key)
                .bind(owner)
                .bind(response)
                .bind(signed(key.size(response.map_or(0, str::len))))
                .execute(self.database.write())
                .await?;
            query(TRIM)
                .bind(escape_nul(&key.subject))
                .bind(signed(CALLER_BYTES))
                .execute(self.database.write())
                .await?;
            Ok(())
        })
    }

    fn release<'a>(
        &'a self,
        key: &'a IdempotencyKey,
        owner: &'a str,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let release = self.of_key(RELEASE, key).bind(owner);
            release.execute(self.database.write()).await?;
            Ok(())
        })
    }

    fn purge_keys(&self, limit: u32) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(self.database.purge(PURGE, limit))
    }
}
