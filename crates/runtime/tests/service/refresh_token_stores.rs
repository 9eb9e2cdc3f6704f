//! Refresh tokens in every kind of store.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use agentgen_runtime::StoreError;
use agentgen_runtime::auth::{RefreshToken, RefreshTokens, Rotated, Rotation};

use crate::store_fixture::on_each_store;

fn token(hash: &str, family: &str, seconds: u64) -> RefreshToken {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = Duration::from_secs(now.as_secs());
    RefreshToken {
        hash: hash.to_owned(),
        family: family.to_owned(),
        subject: "web'; DROP TABLE refresh_tokens; --".to_owned(),
        roles: vec!["user".to_owned(), "\"admin\"".to_owned()],
        expires_at: UNIX_EPOCH + now + Duration::from_secs(seconds),
    }
}

fn rotation(hash: &str, successor: &str, grace: Duration) -> Rotation {
    let RefreshToken {
        hash,
        subject,
        roles,
        expires_at,
        ..
    } = token(hash, "", 60);
    Rotation {
        hash,
        subject,
        successor: successor.to_owned(),
        roles,
        expires_at,
        grace,
    }
}

async fn rotate(tokens: &Arc<dyn RefreshTokens>, hash: &str, successor: &str) -> Rotated {
    let rotation = rotation(hash, successor, Duration::ZERO);
    tokens.rotate(rotation).await.unwrap()
}

fn reused(family: &str) -> Rotated {
    Rotated::Reused {
        family: family.to_owned(),
    }
}

#[tokio::test]
async fn a_refresh_token_is_used_once() {
    on_each_store(async |test_store| {
        let tokens = test_store.open().await.refresh_tokens();
        tokens.put(token("one", "f", 60)).await.unwrap();
        assert_eq!(rotate(&tokens, "one", "two").await, Rotated::Fresh);
        assert_eq!(rotate(&tokens, "one", "two").await, reused("f"));
        assert_eq!(rotate(&tokens, "two", "three").await, Rotated::Fresh);
        assert_eq!(rotate(&tokens, "nine", "ten").await, Rotated::Unknown);
        let error = tokens.put(token("one", "g", 60)).await.unwrap_err();
        assert!(matches!(error, StoreError::Internal(_)), "{error}");
        assert_eq!(rotate(&tokens, "one", "two").await, reused("f"));
    })
    .await;
}

#[tokio::test]
async fn a_used_refresh_token_gives_its_successor_again_within_the_grace_period() {
    const GRACE: Duration = Duration::from_secs(60);
    on_each_store(async |test_store| {
        let tokens = test_store.open().await.refresh_tokens();
        let again = async |grace| tokens.rotate(rotation("one", "two", grace)).await.unwrap();
        tokens.put(token("one", "f", 60)).await.unwrap();
        assert_eq!(again(GRACE).await, Rotated::Fresh);
        assert_eq!(again(GRACE).await, Rotated::Repeated);
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(again(Duration::from_millis(10)).await, reused("f"));
        assert_eq!(again(GRACE).await, Rotated::Repeated);
        let other = tokens.rotate(rotation("one", "another", GRACE));
        assert_eq!(other.await.unwrap(), reused("f"));
        assert_eq!(rotate(&tokens, "two", "three").await, Rotated::Fresh);
        assert_eq!(again(GRACE).await, reused("f"));
    })
    .await;
}

#[tokio::test]
async fn a_refresh_token_belongs_to_its_subject() {
    on_each_store(async |test_store| {
        let tokens = test_store.open().await.refresh_tokens();
        tokens.put(token("one", "f", 60)).await.unwrap();
        let mut foreign = rotation("one", "two", Duration::ZERO);
        foreign.subject = "mallory".to_owned();
        assert_eq!(
            tokens.rotate(foreign.clone()).await.unwrap(),
            Rotated::Unknown
        );
        assert_eq!(rotate(&tokens, "one", "two").await, Rotated::Fresh);
        assert_eq!(tokens.rotate(foreign).await.unwrap(), Rotated::Unknown);
    })
    .await;
}

#[tokio::test]
async fn a_rotation_that_fails_leaves_the_token_unused() {
    on_each_store(async |test_store| {
        let tokens = test_store.open().await.refresh_tokens();
        tokens.put(token("one", "f", 60)).await.unwrap();
        tokens.put(token("taken", "g", 60)).await.unwrap();
        let failed = tokens.rotate(rotation("one", "taken", Duration::ZERO));
        failed.await.unwrap_err();
        assert_eq!(rotate(&tokens, "one", "two").await, Rotated::Fresh);
    })
    .await;
}

#[tokio::test]
async fn only_one_concurrent_request_uses_a_refresh_token() {
    on_each_store(async |test_store| {
        let store = test_store.open().await;
        let other = match test_store.is_shared() {
            true => test_store.open().await,
            false => store.clone(),
        };
        store
            .refresh_tokens()
            .put(token("one", "f", 60))
            .await
            .unwrap();
        let takers = (0..20).map(|number| {
            let store = if number % 2 == 0 { &store } else { &other };
            let tokens = store.refresh_tokens();
            tokio::spawn(async move { rotate(&tokens, "one", "two").await })
        });
        let mut fresh_ones = 0;
        for taker in takers.collect::<Vec<_>>() {
            match taker.await.unwrap() {
                Rotated::Fresh => fresh_ones += 1,
                taken => assert_eq!(taken, reused("f")),
            }
        }
        assert_eq!(fresh_ones, 1);
    })
    .await;
}

#[tokio::test]
async fn a_revoked_token_family_stays_revoked() {
    on_each_store(async |test_store| {
        let tokens = test_store.open().await.refresh_tokens();
        tokens.put(token("one", "f", 60)).await.unwrap();
        tokens.put(token("other", "g", 60)).await.unwrap();
        tokens.revoke_family("f").await.unwrap();
        tokens.revoke_family("unheard of").await.unwrap();
        assert_eq!(rotate(&tokens, "one", "two").await, reused("f"));
        tokens.put(token("late", "f", 60)).await.unwrap();
        assert_eq!(rotate(&tokens, "late", "later").await, reused("f"));
        assert_eq!(rotate(&tokens, "other", "next").await, Rotated::Fresh);
    })
    .await;
}

#[tokio::test]
async fn expired_refresh_tokens_are_refused_and_purged_one_by_one() {
    on_each_store(async |test_store| {
        let tokens = test_store.open().await.refresh_tokens();
        tokens.put(token("over", "f", 0)).await.unwrap();
        tokens.put(token("mixed", "g", 0)).await.unwrap();
        tokens.put(token("good", "g", 60)).await.unwrap();
        assert_eq!(rotate(&tokens, "over", "next").await, Rotated::Unknown);
        // Of the family that lives on, only the expired token goes.
        assert_eq!(tokens.purge_tokens(1).await.unwrap(), 1);
        assert_eq!(tokens.purge_tokens(10).await.unwrap(), 1);
        assert_eq!(tokens.purge_tokens(10).await.unwrap(), 0);
        for hash in ["over", "mixed"] {
            tokens.put(token(hash, "h", 60)).await.unwrap();
        }
        assert_eq!(rotate(&tokens, "over", "next").await, Rotated::Fresh);
        assert_eq!(rotate(&tokens, "good", "better").await, Rotated::Fresh);
    })
    .await;
}
