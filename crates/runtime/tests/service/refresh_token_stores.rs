//! Refresh tokens in every kind of store.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use agentgen_runtime::StoreError;
use agentgen_runtime::auth::{Redeemed, RefreshToken};

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

fn reused(family: &str) -> Redeemed {
    Redeemed::Reused {
        family: family.to_owned(),
    }
}

#[tokio::test]
async fn a_refresh_token_is_consumed_once() {
    on_each_store(async |test_store| {
        let tokens = test_store.open().await.refresh_tokens();
        let first = token("one", "f", 60);
        tokens.put(first.clone()).await.unwrap();
        assert_eq!(tokens.redeem("one").await.unwrap(), Redeemed::Fresh(first));
        assert_eq!(tokens.redeem("one").await.unwrap(), reused("f"));
        assert_eq!(tokens.redeem("two").await.unwrap(), Redeemed::Unknown);
        let error = tokens.put(token("one", "g", 60)).await.unwrap_err();
        assert!(matches!(error, StoreError::Internal(_)), "{error}");
        assert_eq!(tokens.redeem("one").await.unwrap(), reused("f"));
    })
    .await;
}

#[tokio::test]
async fn only_one_concurrent_request_consumes_a_refresh_token() {
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
            tokio::spawn(async move { tokens.redeem("one").await.unwrap() })
        });
        let mut fresh_ones = 0;
        for taker in takers.collect::<Vec<_>>() {
            match taker.await.unwrap() {
                Redeemed::Fresh(_) => fresh_ones += 1,
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
        assert_eq!(tokens.redeem("one").await.unwrap(), reused("f"));
        tokens.put(token("late", "f", 60)).await.unwrap();
        assert_eq!(tokens.redeem("late").await.unwrap(), reused("f"));
        assert!(matches!(
            tokens.redeem("other").await.unwrap(),
            Redeemed::Fresh(_)
        ));
    })
    .await;
}

#[tokio::test]
async fn an_expired_refresh_token_is_rejected_and_purged() {
    on_each_store(async |test_store| {
        let tokens = test_store.open().await.refresh_tokens();
        tokens.put(token("over", "f", 0)).await.unwrap();
        tokens.put(token("mixed", "g", 0)).await.unwrap();
        tokens.put(token("good", "g", 60)).await.unwrap();
        assert_eq!(tokens.redeem("over").await.unwrap(), Redeemed::Unknown);
        assert_eq!(tokens.purge_tokens(10).await.unwrap(), 1);
        assert_eq!(tokens.purge_tokens(10).await.unwrap(), 0);
        tokens.put(token("over", "h", 60)).await.unwrap();
        assert!(matches!(
            tokens.redeem("over").await.unwrap(),
            Redeemed::Fresh(_)
        ));
        assert!(matches!(
            tokens.redeem("good").await.unwrap(),
            Redeemed::Fresh(_)
        ));
    })
    .await;
}
