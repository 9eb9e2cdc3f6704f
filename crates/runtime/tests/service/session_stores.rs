//! The contract of session stores, tested on every implementation.

use std::time::{Duration, SystemTime};

use agentgen_runtime::StoreError;
use agentgen_runtime::model::{Message, Role};
use agentgen_runtime::session::{MemorySessions, SessionKey, SessionLease, SessionStore, Turn};

use crate::store_fixture::on_each_store;

fn key(id: &str) -> SessionKey {
    SessionKey {
        subject: "ada".to_owned(),
        agent: "desk".to_owned(),
        id: id.to_owned(),
    }
}

fn lease(owner: &str, ttl: Duration) -> SessionLease {
    SessionLease {
        owner: owner.to_owned(),
        turn: format!("{owner}'s turn"),
        ttl,
    }
}

const MINUTE: Duration = Duration::from_secs(60);

fn turn(version: u64, text: &str) -> Turn {
    let message = |role, text: String| Message { role, text };
    Turn {
        version,
        messages: vec![
            message(Role::User, text.to_owned()),
            message(Role::Assistant, format!("re {text}")),
        ],
        history_tokens: 1000,
        ttl: MINUTE,
        lease: None,
    }
}

fn texts(messages: &[Message]) -> Vec<&str> {
    messages
        .iter()
        .map(|message| message.text.as_str())
        .collect()
}

#[tokio::test]
async fn committed_turns_are_appended_to_the_session() {
    on_each_store(async |test_store| {
        let store = test_store.open().await.sessions();
        let (key, lease) = (key("a"), lease("p", MINUTE));
        assert_eq!(store.begin(&key, &lease, 1000).await.unwrap(), None);
        assert_eq!(store.facts(&key).await.unwrap(), None);
        assert_eq!(store.messages(&key, 0, 10).await.unwrap(), None);
        // Texts may contain any character.
        let odd = "one \0 %00 %25 🦀 'quoted' \u{1b}";
        store.commit(&key, turn(0, odd)).await.unwrap();
        store.commit(&key, turn(1, "two")).await.unwrap();
        let found = store.begin(&key, &lease, 1000).await.unwrap().unwrap();
        assert_eq!(found.version, 2);
        let expected = [odd, &format!("re {odd}"), "two", "re two"];
        assert_eq!(texts(&found.messages), expected);
        assert_eq!(found.messages[0].role, Role::User);
        assert_eq!(found.messages[1].role, Role::Assistant);

        let facts = store.facts(&key).await.unwrap().unwrap();
        assert_eq!((facts.id.as_str(), facts.agent.as_str()), ("a", "desk"));
        assert_eq!(facts.messages, 4);
        assert!(facts.created_at <= facts.updated_at && facts.updated_at <= SystemTime::now());
        assert_eq!(facts.expires_at, facts.updated_at + MINUTE);
        let past = store.messages(&key, 1, 2).await.unwrap().unwrap();
        let history = past
            .iter()
            .map(|past| (past.number, past.message.text.as_str()));
        assert_eq!(
            history.collect::<Vec<_>>(),
            [(2, expected[1]), (3, expected[2])]
        );
        store.check().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_commit_with_a_stale_version_is_a_conflict() {
    on_each_store(async |test_store| {
        let store = test_store.open().await.sessions();
        let key = key("a");
        store.commit(&key, turn(0, "one")).await.unwrap();
        for late in [turn(0, "late"), turn(2, "early"), turn(9, "lost")] {
            assert!(matches!(
                store.commit(&key, late).await,
                Err(StoreError::Conflict(_))
            ));
        }
        let gone = store.commit(&self::key("gone"), turn(1, "x")).await;
        assert!(matches!(gone, Err(StoreError::Conflict(_))));
        let many = (0..10).map(|number| {
            let (store, key) = (std::sync::Arc::clone(&store), key.clone());
            tokio::spawn(async move { store.commit(&key, turn(1, &number.to_string())).await })
        });
        let mut committed = 0;
        for one in many.collect::<Vec<_>>() {
            match one.await.unwrap() {
                Ok(()) => committed += 1,
                Err(error) => assert!(matches!(error, StoreError::Conflict(_)), "{error}"),
            }
        }
        assert_eq!(committed, 1);
        let facts = store.facts(&key).await.unwrap().unwrap();
        assert_eq!(facts.messages, 4, "nothing of the others is left");
    })
    .await;
}

#[tokio::test]
async fn a_session_lease_excludes_others_until_it_expires() {
    on_each_store(async |test_store| {
        let store = test_store.open().await.sessions();
        let key = key("a");
        store.commit(&key, turn(0, "one")).await.unwrap();
        let (mine, other) = (lease("mine", MINUTE), lease("other", MINUTE));
        store.begin(&key, &mine, 1000).await.unwrap();
        assert!(matches!(
            store.begin(&key, &other, 9).await,
            Err(StoreError::Conflict(_))
        ));
        assert!(matches!(
            store.delete(&key, &other).await,
            Err(StoreError::Conflict(_))
        ));
        // A lease owner may start its next turn before the end of the last one is stored.
        let next = SessionLease {
            turn: "next".to_owned(),
            ..mine.clone()
        };
        store.begin(&key, &next, 1000).await.unwrap();
        store.release(&key, &mine).await.unwrap();
        assert!(matches!(
            store.begin(&key, &other, 9).await,
            Err(StoreError::Conflict(_))
        ));
        store.release(&key, &next).await.unwrap();
        store.begin(&key, &other, 1000).await.unwrap();
        let ends = Turn {
            lease: Some(other),
            ..turn(1, "two")
        };
        store.commit(&key, ends).await.unwrap();
        store.begin(&key, &mine, 1000).await.unwrap();
        store.release(&key, &mine).await.unwrap();

        store.begin(&key, &mine, 1000).await.unwrap();
        store.release_all("nobody").await.unwrap();
        let third = lease("third", MINUTE);
        assert!(matches!(
            store.begin(&key, &third, 9).await,
            Err(StoreError::Conflict(_))
        ));
        store.release_all("mine").await.unwrap();
        store.begin(&key, &third, 1000).await.unwrap();
        store.release_all("third").await.unwrap();

        // A dead process renews no lease.
        let brief = lease("killed", Duration::from_millis(300));
        store.begin(&key, &brief, 1000).await.unwrap();
        store.renew(&key, &brief).await.unwrap();
        assert!(matches!(
            store.begin(&key, &mine, 9).await,
            Err(StoreError::Conflict(_))
        ));
        tokio::time::sleep(Duration::from_millis(150)).await;
        store.renew(&key, &brief).await.unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(matches!(
            store.begin(&key, &mine, 9).await,
            Err(StoreError::Conflict(_))
        ));
        tokio::time::sleep(Duration::from_millis(150)).await;
        store.begin(&key, &mine, 1000).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn history_is_truncated_to_the_latest_complete_turns() {
    on_each_store(async |test_store| {
        let store = test_store.open().await.sessions();
        let (key, lease) = (key("a"), lease("p", MINUTE));
        for version in 0..4 {
            // A token is estimated as 4 bytes: 6 and 9 bytes are 2 and 3 tokens.
            let text = format!("turn {version}");
            store.commit(&key, turn(version, &text)).await.unwrap();
        }
        for (budget, first) in [
            (20, Some("turn 0")),
            (19, Some("turn 1")),
            (12, Some("turn 2")),
            (5, Some("turn 3")),
            (4, None),
            (0, None),
        ] {
            let found = store.begin(&key, &lease, budget).await.unwrap().unwrap();
            assert_eq!(texts(&found.messages).first().copied(), first, "{budget}");
            assert_eq!(found.version, 4);
        }
    })
    .await;
}

#[tokio::test]
async fn expired_sessions_are_hidden_at_once_and_purged_later() {
    on_each_store(async |test_store| {
        let store = test_store.open().await.sessions();
        let over = |version, text| Turn {
            ttl: Duration::ZERO,
            ..turn(version, text)
        };
        for id in ["a", "b", "c"] {
            store.commit(&key(id), over(0, "old")).await.unwrap();
        }
        store.commit(&key("d"), turn(0, "good")).await.unwrap();
        let lease = lease("p", MINUTE);
        assert_eq!(store.begin(&key("a"), &lease, 1000).await.unwrap(), None);
        assert_eq!(store.facts(&key("a")).await.unwrap(), None);
        assert_eq!(store.messages(&key("a"), 0, 10).await.unwrap(), None);
        let listed = store.list("ada", "desk", None, 10).await.unwrap();
        assert_eq!(listed.len(), 1);
        assert!(!store.delete(&key("b"), &lease).await.unwrap());
        // The id can be used for a new session, and a lease protects a session from purging.
        store.commit(&key("a"), over(0, "new")).await.unwrap();
        assert_eq!(
            store.purge(10).await.unwrap(),
            1,
            "b is deleted, a is leased"
        );
        store.commit(&key("a"), turn(1, "newer")).await.unwrap();
        let facts = store.facts(&key("a")).await.unwrap().unwrap();
        assert_eq!(facts.messages, 4, "nothing is left of the old one");

        for id in 0..5 {
            let id = id.to_string();
            store.commit(&key(&id), over(0, "old")).await.unwrap();
        }
        assert_eq!(store.purge(3).await.unwrap(), 3);
        assert_eq!(store.purge(3).await.unwrap(), 2);
        assert_eq!(store.purge(3).await.unwrap(), 0);
    })
    .await;
}

#[tokio::test]
async fn sessions_are_listed_newest_first_and_by_owner() {
    on_each_store(async |test_store| {
        let store = test_store.open().await.sessions();
        for number in 0..7 {
            let id = format!("s{number}");
            store.commit(&key(&id), turn(0, "hello")).await.unwrap();
            if number % 2 == 0 {
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
        }
        let others = [("bob", "desk"), ("ada", "clerk"), ("ada%", "desk")];
        for (subject, agent) in others {
            let key = SessionKey {
                subject: subject.to_owned(),
                agent: agent.to_owned(),
                ..key("s0")
            };
            store.commit(&key, turn(0, "private")).await.unwrap();
        }
        let mut seen = Vec::new();
        let mut after: Option<(SystemTime, String)> = None;
        loop {
            let place = after.as_ref().map(|(moment, id)| (*moment, id.as_str()));
            let page = store.list("ada", "desk", place, 3).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some((last.created_at, last.id.clone()));
            seen.extend(page.into_iter().map(|facts| facts.id));
            // A new turn does not move a session in the list.
            store
                .commit(&key("s0"), turn(seen.len() as u64 / 3, "again"))
                .await
                .unwrap_or(());
        }
        assert_eq!(seen, ["s6", "s5", "s4", "s3", "s2", "s1", "s0"]);
        assert!(
            store
                .list("eve", "desk", None, 10)
                .await
                .unwrap()
                .is_empty()
        );
    })
    .await;
}

#[tokio::test]
async fn deleting_a_session_deletes_its_messages() {
    on_each_store(async |test_store| {
        let store = test_store.open().await.sessions();
        let lease = lease("p", MINUTE);
        store.commit(&key("a"), turn(0, "one")).await.unwrap();
        assert!(store.delete(&key("a"), &lease).await.unwrap());
        assert!(!store.delete(&key("a"), &lease).await.unwrap());
        let outdated = store.commit(&key("a"), turn(1, "two")).await;
        assert!(matches!(outdated, Err(StoreError::Conflict(_))));
        store.commit(&key("a"), turn(0, "anew")).await.unwrap();
        let past = store.messages(&key("a"), 0, 10).await.unwrap().unwrap();
        assert_eq!(past.len(), 2);
        assert_eq!(past[0].message.text, "anew");
    })
    .await;
}

#[tokio::test]
async fn databases_store_all_messages_and_memory_stores_recent_ones() {
    on_each_store(async |test_store| {
        let store = test_store.open().await.sessions();
        for version in 0..5 {
            let short = Turn {
                history_tokens: 10,
                ..turn(version, &format!("turn {version}"))
            };
            store.commit(&key("a"), short).await.unwrap();
        }
        let past = store.messages(&key("a"), 0, 100).await.unwrap().unwrap();
        let numbers = past.iter().map(|past| past.number).collect::<Vec<_>>();
        match test_store.is_shared() {
            true => assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
            false => assert_eq!(numbers, [7, 8, 9, 10]),
        }
        let facts = store.facts(&key("a")).await.unwrap().unwrap();
        assert_eq!(facts.messages, numbers.len() as u64);
    })
    .await;
}

#[tokio::test]
async fn the_memory_store_evicts_old_sessions() {
    let store = MemorySessions::default();
    for id in 0..=10_000 {
        store
            .commit(&key(&id.to_string()), turn(0, "x"))
            .await
            .unwrap();
    }
    let there = async |id: &str| store.facts(&key(id)).await.unwrap().is_some();
    assert!(there("10000").await && there("9999").await && there("5000").await);
    assert!(!there("0").await, "those longest unused make room");
    let left = store.list("ada", "desk", None, 100_000).await.unwrap();
    assert_eq!(left.len(), 9_001);
}
