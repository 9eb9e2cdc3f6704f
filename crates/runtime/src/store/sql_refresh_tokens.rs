//! Refresh tokens in a database.

use crate::auth::refresh_tokens::{RefreshToken, RefreshTokens, Rotated, Rotation};
use crate::error::store_error::StoreError;
use crate::future::BoxFuture;
use crate::store::sql_database::{Transaction, query};
use crate::store::sql_store::SqlStore;
use crate::store::sql_values::{now, to_json};
use crate::unix_time::to_millis;

/// Locks the family until the transaction ends, so that whoever revokes it comes before or after.
const PUT_FAMILY: &str = "INSERT INTO refresh_families (family, expires_at) VALUES ($1, $2) \
     ON CONFLICT (family) DO UPDATE SET expires_at = \
     CASE WHEN refresh_families.expires_at > excluded.expires_at \
     THEN refresh_families.expires_at ELSE excluded.expires_at END";
const PUT_TOKEN: &str = "INSERT INTO refresh_tokens (hash, family, subject, roles, expires_at) \
     VALUES ($1, $2, $3, $4, $5)";
const USE: &str = "UPDATE refresh_tokens SET used_at = {now} \
     WHERE hash = $1 AND subject = $2 AND used_at IS NULL AND expires_at > {now} \
     AND NOT EXISTS (SELECT 1 FROM refresh_families \
     WHERE refresh_families.family = refresh_tokens.family AND revoked_at IS NOT NULL) \
     RETURNING family";
/// What a token is that can't be used. `repeated` is 1 while its successor may be given again.
const USED: &str = "SELECT family, CAST(CASE WHEN used_at > {now} - $4 \
     AND EXISTS (SELECT 1 FROM refresh_tokens AS successor \
     WHERE successor.hash = $3 AND successor.used_at IS NULL) \
     AND NOT EXISTS (SELECT 1 FROM refresh_families \
     WHERE refresh_families.family = refresh_tokens.family AND revoked_at IS NOT NULL) \
     THEN 1 ELSE 0 END AS BIGINT) AS repeated \
     FROM refresh_tokens WHERE hash = $1 AND subject = $2 AND expires_at > {now}";
const REVOKE: &str = "UPDATE refresh_families SET revoked_at = $2 \
     WHERE family = $1 AND revoked_at IS NULL";
const PURGE_TOKENS: &str = "DELETE FROM refresh_tokens WHERE hash IN \
     (SELECT hash FROM refresh_tokens WHERE expires_at <= {now} LIMIT $1)";
const PURGE_FAMILIES: &str = "DELETE FROM refresh_families WHERE family IN \
     (SELECT family FROM refresh_families WHERE expires_at <= {now} \
     AND NOT EXISTS (SELECT 1 FROM refresh_tokens \
     WHERE refresh_tokens.family = refresh_families.family) LIMIT $1)";

impl RefreshTokens for SqlStore {
    fn put(&self, token: RefreshToken) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let mut transaction = self.database.begin().await?;
            let added = add(&mut transaction, token).await;
            added.map_err(|error| match error {
                StoreError::Conflict(_) => StoreError::internal("a refresh token is there already"),
                error => error,
            })?;
            transaction.commit().await
        })
    }

    fn rotate(&self, rotation: Rotation) -> BoxFuture<'_, Result<Rotated, StoreError>> {
        Box::pin(async move {
            let mut transaction = self.database.begin().await?;
            let used = self.database.query(USE);
            let used = used.bind(&rotation.hash).bind(&rotation.subject);
            if let Some(row) = used.fetch_optional(transaction.executor()).await? {
                let successor = RefreshToken {
                    hash: rotation.successor,
                    family: row.text("family")?,
                    subject: rotation.subject,
                    roles: rotation.roles,
                    expires_at: rotation.expires_at,
                };
                add(&mut transaction, successor).await?;
                transaction.commit().await?;
                return Ok(Rotated::Fresh);
            }
            let grace = i64::try_from(rotation.grace.as_millis()).unwrap_or(i64::MAX);
            let used = self.database.query(USED);
            let used = used.bind(&rotation.hash).bind(&rotation.subject);
            let used = used.bind(&rotation.successor).bind(grace);
            let used = used.fetch_optional(transaction.executor()).await?;
            Ok(match used {
                Some(row) if row.integer("repeated")? == 1 => Rotated::Repeated,
                Some(row) => Rotated::Reused {
                    family: row.text("family")?,
                },
                None => Rotated::Unknown,
            })
        })
    }

    fn revoke_family<'a>(&'a self, family: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            query(REVOKE)
                .bind(family)
                .bind(now())
                .execute(self.database.write())
                .await?;
            Ok(())
        })
    }

    fn purge_tokens(&self, limit: u32) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(async move {
            let purged = self.database.purge(PURGE_TOKENS, limit).await?;
            self.database.purge(PURGE_FAMILIES, limit).await?;
            Ok(purged)
        })
    }
}

/// Adds a token to its family, which is locked until the transaction ends.
async fn add(transaction: &mut Transaction, token: RefreshToken) -> Result<(), StoreError> {
    query(PUT_FAMILY)
        .bind(&token.family)
        .bind(to_millis(token.expires_at))
        .execute(transaction.executor())
        .await?;
    query(PUT_TOKEN)
        .bind(token.hash)
        .bind(token.family)
        .bind(token.subject)
        .bind(to_json(&token.roles)?)
        .bind(to_millis(token.expires_at))
        .execute(transaction.executor())
        .await?;
    Ok(())
}
