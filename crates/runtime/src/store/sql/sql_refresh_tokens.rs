//! Refresh tokens in a database: the same statements for SQLite and PostgreSQL.

use crate::auth::refresh_tokens::{Redeemed, RefreshToken, RefreshTokens};
use crate::error::AgentError;
use crate::session::session_store::Stored;
#[cfg(feature = "postgres")]
use crate::store::sql::postgres::PostgresStore;
#[cfg(feature = "sqlite")]
use crate::store::sql::sqlite::SqliteStore;
use crate::store::sql::{failed, millis, moment, now, purged};

const PURGE: &str = "DELETE FROM refresh_families WHERE family IN \
     (SELECT family FROM refresh_families WHERE expires_at <= $1 LIMIT $2)";

macro_rules! refresh_tokens {
    ($store:ty) => {
        impl RefreshTokens for $store {
            fn put(&self, token: RefreshToken) -> Stored<'_, ()> {
                Box::pin(async move {
                    let roles =
                        serde_json::to_string(&token.roles).map_err(AgentError::internal)?;
                    let mut change = self.begin().await.map_err(failed)?;
                    // Locks the family until the end, so that whoever revokes it comes before or after.
                    sqlx::query(
                        "INSERT INTO refresh_families (family, expires_at) VALUES ($1, $2) \
                         ON CONFLICT (family) DO UPDATE SET expires_at = \
                         CASE WHEN refresh_families.expires_at > excluded.expires_at \
                         THEN refresh_families.expires_at ELSE excluded.expires_at END",
                    )
                    .bind(&token.family)
                    .bind(millis(token.expires_at))
                    .execute(&mut *change)
                    .await
                    .map_err(failed)?;
                    sqlx::query(
                        "INSERT INTO refresh_tokens (hash, family, subject, roles, expires_at) \
                         VALUES ($1, $2, $3, $4, $5)",
                    )
                    .bind(&token.hash)
                    .bind(&token.family)
                    .bind(&token.subject)
                    .bind(roles)
                    .bind(millis(token.expires_at))
                    .execute(&mut *change)
                    .await
                    .map_err(failed)?;
                    change.commit().await.map_err(failed)
                })
            }

            fn redeem<'a>(&'a self, hash: &'a str) -> Stored<'a, Redeemed> {
                Box::pin(async move {
                    let fresh = sqlx::query_as::<_, (String, String, String, i64)>(
                        "UPDATE refresh_tokens SET used_at = $2 \
                         WHERE hash = $1 AND used_at IS NULL AND expires_at > $2 \
                         AND NOT EXISTS (SELECT 1 FROM refresh_families \
                         WHERE refresh_families.family = refresh_tokens.family \
                         AND revoked_at IS NOT NULL) \
                         RETURNING family, subject, roles, expires_at",
                    )
                    .bind(hash)
                    .bind(now())
                    .fetch_optional(&self.write)
                    .await
                    .map_err(failed)?;
                    if let Some((family, subject, roles, expires_at)) = fresh {
                        return Ok(Redeemed::Fresh(RefreshToken {
                            hash: hash.to_owned(),
                            family,
                            subject,
                            roles: serde_json::from_str(&roles).map_err(AgentError::internal)?,
                            expires_at: moment(expires_at),
                        }));
                    }
                    let known = sqlx::query_scalar::<_, String>(
                        "SELECT family FROM refresh_tokens WHERE hash = $1 AND expires_at > $2",
                    )
                    .bind(hash)
                    .bind(now())
                    .fetch_optional(&self.write)
                    .await
                    .map_err(failed)?;
                    Ok(match known {
                        Some(family) => Redeemed::Reused { family },
                        None => Redeemed::Unknown,
                    })
                })
            }

            fn revoke_family<'a>(&'a self, family: &'a str) -> Stored<'a, ()> {
                Box::pin(async move {
                    sqlx::query(
                        "UPDATE refresh_families SET revoked_at = $2 \
                         WHERE family = $1 AND revoked_at IS NULL",
                    )
                    .bind(family)
                    .bind(now())
                    .execute(&self.write)
                    .await
                    .map_err(failed)?;
                    Ok(())
                })
            }

            fn purge_tokens(&self, most: u32) -> Stored<'_, u64> {
                Box::pin(async move { purged!(self, PURGE, most) })
            }
        }
    };
}

#[cfg(feature = "sqlite")]
refresh_tokens!(SqliteStore);
#[cfg(feature = "postgres")]
refresh_tokens!(PostgresStore);
