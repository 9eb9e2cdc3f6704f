//! Refresh tokens in a database.

use crate::auth::refresh_tokens::{Redeemed, RefreshToken, RefreshTokens};
use crate::error::store_error::StoreError;
use crate::future::BoxFuture;
use crate::store::sql_database::query;
use crate::store::sql_store::SqlStore;
use crate::store::sql_values::{from_json, now, to_json};
use crate::unix_time::{from_millis, to_millis};

/// Locks the family until the transaction ends, so that whoever revokes it comes before or after.
const PUT_FAMILY: &str = "INSERT INTO refresh_families (family, expires_at) VALUES ($1, $2) \
     ON CONFLICT (family) DO UPDATE SET expires_at = \
     CASE WHEN refresh_families.expires_at > excluded.expires_at \
     THEN refresh_families.expires_at ELSE excluded.expires_at END";
const PUT_TOKEN: &str = "INSERT INTO refresh_tokens (hash, family, subject, roles, expires_at) \
     VALUES ($1, $2, $3, $4, $5)";
const REDEEM: &str = "UPDATE refresh_tokens SET used_at = $2 \
     WHERE hash = $1 AND used_at IS NULL AND expires_at > $2 \
     AND NOT EXISTS (SELECT 1 FROM refresh_families \
     WHERE refresh_families.family = refresh_tokens.family AND revoked_at IS NOT NULL) \
     RETURNING family, subject, roles, expires_at";
const FAMILY: &str = "SELECT family FROM refresh_tokens WHERE hash = $1 AND expires_at > $2";
const REVOKE: &str = "UPDATE refresh_families SET revoked_at = $2 \
     WHERE family = $1 AND revoked_at IS NULL";
const PURGE: &str = "DELETE FROM refresh_families WHERE family IN \
     (SELECT family FROM refresh_families WHERE expires_at <= $1 LIMIT $2)";

impl RefreshTokens for SqlStore {
    fn put(&self, token: RefreshToken) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let mut transaction = self.database.begin().await?;
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
            transaction.commit().await
        })
    }

    fn redeem<'a>(&'a self, hash: &'a str) -> BoxFuture<'a, Result<Redeemed, StoreError>> {
        Box::pin(async move {
            let redeemed = query(REDEEM)
                .bind(hash)
                .bind(now())
                .fetch_optional(self.database.write())
                .await?;
            if let Some(row) = redeemed {
                return Ok(Redeemed::Fresh(RefreshToken {
                    hash: hash.to_owned(),
                    family: row.text("family")?,
                    subject: row.text("subject")?,
                    roles: from_json(&row.text("roles")?)?,
                    expires_at: from_millis(row.integer("expires_at")?),
                }));
            }
            let row = query(FAMILY)
                .bind(hash)
                .bind(now())
                .fetch_optional(self.database.write())
                .await?;
            Ok(match row {
                Some(row) => Redeemed::Reused {
                    family: row.text("family")?,
                },
                None => Redeemed::Unknown,
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
        Box::pin(self.database.purge(PURGE, limit))
    }
}
