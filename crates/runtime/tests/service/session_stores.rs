//! The contract of session stores, tested on every implementation.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use agentgen_runtime::StoreError;
use agentgen_runtime::model::{Message, Role};
use agentgen_runtime::session::{
    MemorySessions, MessageStatus, SessionKey, SessionLease, SessionStore, Turn,
};

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

/// A turn that asks `question`, of a process of its own.
fn turn(question: &str) -> Turn {
    Turn {
        lease: lease(&question.escape_default().to_string(), MINUTE),
        question: question.to_owned(),
        history_tokens: 1000,
        ttl: MINUTE,
    }
}

type Sessions = Arc<dyn SessionStore>;

/// A whole turn; the answer to `question` is `re question`.
async fn take_turn(store: &Sessions, key: &SessionKey, turn: &Turn) -> Result<(), StoreError> {
    store.begin(key, turn).await?;
    store
        .commit(key, turn, &format!("re {}", turn.question))
        .await
}

/// What a turn that begins now gets; it fails afterwards.
async fn history(store: &Sessions, key: &SessionKey, history_tokens: u64) -> Vec<Message> {
    let looks = Turn {
        history_tokens,
        ..turn("looks")
    };
    let history = store.begin(key, &looks).await.unwrap();
    store.release(key, &looks.lease).await.unwrap();
    history
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
        let key = key("a");
        assert!(history(&store, &key, 1000).await.is_empty());
        assert_eq!(store.facts(&key).await.unwrap(), None);
        assert_eq!(store.messages(&key, 0, 10).await.unwrap(), None);
        // Texts may contain any character.
        let odd = "one \0 %00 %25 🦀 'quoted' \u{1b}";
        take_turn(&store, &key, &turn(odd)).await.unwrap();
        take_turn(&store, &key, &turn("two")).await.unwrap();
        let found = history(&store, &key, 1000).await;
        let expected = [odd, &format!("re {odd}"), "two", "re two"];
        assert_eq!(texts(&found), expected);
        assert_eq!(found[0].role, Role::User);
        assert_eq!(found[1].role, Role::Assistant);

        let facts = store.facts(&key).await.unwrap().unwrap();
        assert_eq!((facts.id.as_str(), facts.agent.as_str()), ("a", "desk"));
        assert_eq!(facts.messages, 4);
        assert!(facts.created_at <= facts.updated_at && facts.updated_at <= SystemTime::now());
        assert_eq!(facts.expires_at, facts.updated_at + MINUTE);
        let past = store.messages(&key, 1, 2).await.unwrap().unwrap();
        let read = past
            .iter()
            .map(|past| (past.number, past.message.text.as_str()));
        assert_eq!(
            read.collect::<Vec<_>>(),
            [(2, expected[1]), (3, expected[2])]
        );
        assert!(
            past.iter()
                .all(|past| past.status == MessageStatus::Completed)
        );
        store.check().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn sessions_that_are_created_at_once_have_their_own_messages() {
    on_each_store(async |test_store| {
        let store = test_store.open().await.sessions();
        let asked = |number: usize| format!("{number} \0 %00 \"'🦀");
        let created = (0..300).map(|number| {
            let store = Arc::clone(&store);
            let (key, turn) = (key(&number.to_string()), turn(&asked(number)));
            tokio::spawn(async move { store.create(&key, &turn, &format!("re {number}")).await })
        });
        for one in created.collect::<Vec<_>>() {
            one.await.unwrap().unwrap();
        }
        for number in 0..300 {
            let key = key(&number.to_string());
            let facts = store.facts(&key).await.unwrap().unwrap();
            assert_eq!((facts.messages, facts.created_at), (2, facts.updated_at));
            assert_eq!(facts.expires_at, facts.updated_at + MINUTE);
            let past = store.messages(&key, 0, 9).await.unwrap().unwrap();
            let read = past.iter().map(|past| (past.number, past.message.role));
            assert_eq!(
                read.collect::<Vec<_>>(),
                [(1, Role::User), (2, Role::Assistant)]
            );
            let found = history(&store, &key, 1000).await;
            assert_eq!(texts(&found), [asked(number), format!("re {number}")]);
        }
        // An id that is taken fails, and nothing else with it. Memory adds the turn, since its ids are never taken.
        if test_store.url != "memory:" {
            let again = [7, 301, 301, 302].map(|number: usize| {
                let store = Arc::clone(&store);
                let (key, turn) = (key(&number.to_string()), turn("again"));
                tokio::spawn(async move { store.create(&key, &turn, "re again").await.is_ok() })
            });
            let mut created = Vec::new();
            for one in again {
                created.push(one.await.unwrap());
            }
            assert_eq!((created[0], created[3]), (false, true));
            assert!(created[1] ^ created[2]);
        }
        // It goes on as any other, and nobody has a lease of it.
        take_turn(&store, &key("7"), &turn("more")).await.unwrap();
        assert_eq!(store.facts(&key("7")).await.unwrap().unwrap().messages, 4);
    })
    .await;
}

/// What turns write to a file at the same time shares a transaction, and one of them can fail.
#[tokio::test]
async fn turns_that_end_at_once_fail_alone() {
    on_each_store(async |test_store| {
        let store = test_store.open().await.sessions();
        take_turn(&store, &key("taken"), &turn("first"))
            .await
            .unwrap();
        let begun = turn("begun");
        store.begin(&key("begun"), &begun).await.unwrap();
        let many = (0..50).map(|number: u32| {
            let (store, begun) = (Arc::clone(&store), begun.clone());
            tokio::spawn(async move {
                match number % 5 {
                    // It has no lease.
                    0 => store.commit(&key("none"), &turn("late"), "x").await,
                    // Somebody else has it.
                    1 => {
                        let taken = store.begin(&key("begun"), &turn("other")).await;
                        taken.map(|_| ())
                    }
                    2 if number == 2 => store.commit(&key("begun"), &begun, "done").await,
                    _ => {
                        let key = key(&number.to_string());
                        take_turn(&store, &key, &turn("fine")).await
                    }
                }
            })
        });
        for (number, one) in many.collect::<Vec<_>>().into_iter().enumerate() {
            let result = one.await.unwrap();
            match number % 5 {
                0 => assert!(matches!(result, Err(StoreError::Conflict(_))), "{result:?}"),
                1 => {}
                _ => result.unwrap(),
            }
        }
        let done = store.messages(&key("begun"), 0, 9).await.unwrap().unwrap();
        assert_eq!((done.len(), &*done[1].message.text), (2, "done"));
        for number in [3, 4, 7, 48, 49] {
            let key = key(&number.to_string());
            assert_eq!(
                texts(&history(&store, &key, 1000).await),
                ["fine", "re fine"]
            );
        }
        assert_eq!(store.facts(&key("none")).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn only_the_owner_of_the_lease_can_commit() {
    on_each_store(async |test_store| {
        let store = test_store.open().await.sessions();
        let key = key("a");
        let late = turn("late");
        let conflicts = async || {
            let committed = store.commit(&key, &late, "x").await;
            assert!(matches!(committed, Err(StoreError::Conflict(_))));
        };
        conflicts().await;
        // Deleted and begun anew while a turn ran whose lease was taken: the new conversation looks like the old one.
        take_turn(&store, &key, &turn("one")).await.unwrap();
        store.begin(&key, &late).await.unwrap();
        store.release_all("late").await.unwrap();
        assert!(store.delete(&key, &lease("d", MINUTE)).await.unwrap());
        take_turn(&store, &key, &turn("anew")).await.unwrap();
        conflicts().await;
        // The next turn has begun; it is not disturbed.
        let next = turn("next");
        store.begin(&key, &next).await.unwrap();
        conflicts().await;
        store.commit(&key, &next, "fine").await.unwrap();
        assert!(store.commit(&key, &next, "twice").await.is_err());
        let found = history(&store, &key, 1000).await;
        assert_eq!(texts(&found), ["anew", "re anew", "next", "fine"]);

        let many = (0..10).map(|number| {
            let (store, key) = (Arc::clone(&store), key.clone());
            tokio::spawn(async move { store.begin(&key, &turn(&number.to_string())).await })
        });
        let mut begun = 0;
        for one in many.collect::<Vec<_>>() {
            match one.await.unwrap() {
                Ok(_) => begun += 1,
                Err(error) => assert!(matches!(error, StoreError::Conflict(_)), "{error}"),
            }
        }
        assert_eq!(begun, 1);
    })
    .await;
}

#[tokio::test]
async fn an_interrupted_turn_leaves_its_question() {
    on_each_store(async |test_store| {
        let store = test_store.open().await.sessions();
        let dies = |question: &str| Turn {
            lease: lease("dies", Duration::ZERO),
            ..turn(question)
        };
        let (old, new) = (key("old"), key("new"));
        take_turn(&store, &old, &turn("one")).await.unwrap();
        store.begin(&old, &dies("odd \0 %00")).await.unwrap();
        let began = SystemTime::now();
        store.begin(&new, &dies("first")).await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;

        // Every reader sees it, also of a conversation that had no turn before.
        let listed = store.list("ada", "desk", None, 10).await.unwrap();
        let listed = listed
            .iter()
            .map(|facts| (facts.id.as_str(), facts.messages));
        assert_eq!(
            listed.collect::<std::collections::BTreeSet<_>>(),
            [("old", 3), ("new", 1)].into()
        );
        let past = store.messages(&old, 2, 10).await.unwrap().unwrap();
        assert_eq!(past.len(), 1);
        assert_eq!(
            (past[0].number, past[0].status),
            (3, MessageStatus::Interrupted)
        );
        assert_eq!(
            (past[0].message.role, &*past[0].message.text),
            (Role::User, "odd \0 %00")
        );
        assert!(past[0].created_at <= began + Duration::from_millis(5));
        // So does the next turn, and it is answered after it.
        let next = turn("two");
        let found = store.begin(&old, &next).await.unwrap();
        assert_eq!(texts(&found), ["one", "re one", "odd \0 %00"]);
        store.commit(&old, &next, "re two").await.unwrap();
        assert_eq!(store.facts(&old).await.unwrap().unwrap().messages, 5);

        // A turn that begins, a reader and a purge find one that nobody has seen.
        for (number, id) in ["begin", "facts", "messages", "purge", "delete"]
            .into_iter()
            .enumerate()
        {
            let key = key(id);
            store.begin(&key, &dies("asked")).await.unwrap();
            tokio::time::sleep(Duration::from_millis(2)).await;
            match number {
                0 => {}
                1 => assert_eq!(store.facts(&key).await.unwrap().unwrap().messages, 1),
                2 => assert_eq!(store.messages(&key, 0, 9).await.unwrap().unwrap().len(), 1),
                3 => assert_eq!(store.purge(10).await.unwrap(), 0),
                _ => {
                    assert!(store.delete(&key, &lease("d", MINUTE)).await.unwrap());
                    assert!(history(&store, &key, 1000).await.is_empty());
                    continue;
                }
            }
            assert_eq!(texts(&history(&store, &key, 1000).await), ["asked"], "{id}");
        }

        // A turn that failed leaves nothing: its lease was released, or its owner goes on.
        let failed = dies("failed");
        store.begin(&key("failed"), &failed).await.unwrap();
        store.begin(&key("failed"), &failed).await.unwrap();
        store.release(&key("failed"), &failed.lease).await.unwrap();
        assert_eq!(store.facts(&key("failed")).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn a_session_lease_excludes_others_until_it_expires() {
    on_each_store(async |test_store| {
        let store = test_store.open().await.sessions();
        let key = key("a");
        take_turn(&store, &key, &turn("one")).await.unwrap();
        let (mine, other) = (turn("mine"), turn("other"));
        let is_taken = async || {
            let begun = store.begin(&key, &turn("third")).await;
            assert!(matches!(begun, Err(StoreError::Conflict(_))));
            let deleted = store.delete(&key, &lease("third", MINUTE)).await;
            assert!(matches!(deleted, Err(StoreError::Conflict(_))));
        };
        store.begin(&key, &mine).await.unwrap();
        is_taken().await;
        // A lease owner may start its next turn before the end of the last one is stored.
        let mut next = mine.clone();
        next.lease.turn = "next".to_owned();
        store.begin(&key, &next).await.unwrap();
        store.release(&key, &mine.lease).await.unwrap();
        is_taken().await;
        store.release(&key, &next.lease).await.unwrap();
        take_turn(&store, &key, &other).await.unwrap();
        store.begin(&key, &mine).await.unwrap();
        store.release(&key, &mine.lease).await.unwrap();

        store.begin(&key, &mine).await.unwrap();
        store.release_all("nobody").await.unwrap();
        is_taken().await;
        store.release_all("mine").await.unwrap();
        take_turn(&store, &key, &turn("three")).await.unwrap();

        // A dead process renews no lease.
        let mut brief = turn("killed");
        brief.lease.ttl = Duration::from_millis(300);
        store.begin(&key, &brief).await.unwrap();
        store.renew(&key, &brief.lease).await.unwrap();
        is_taken().await;
        tokio::time::sleep(Duration::from_millis(150)).await;
        store.renew(&key, &brief.lease).await.unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
        is_taken().await;
        tokio::time::sleep(Duration::from_millis(150)).await;
        store.begin(&key, &mine).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn history_is_truncated_to_the_latest_complete_turns() {
    on_each_store(async |test_store| {
        let store = test_store.open().await.sessions();
        let key = key("a");
        for number in 0..4 {
            // A token is estimated as 4 bytes: 6 and 9 bytes are 2 and 3 tokens.
            let turn = turn(&format!("turn {number}"));
            take_turn(&store, &key, &turn).await.unwrap();
        }
        for (budget, first) in [
            (20, Some("turn 0")),
            (19, Some("turn 1")),
            (12, Some("turn 2")),
            (5, Some("turn 3")),
            (4, None),
            (0, None),
        ] {
            let found = history(&store, &key, budget).await;
            assert_eq!(texts(&found).first().copied(), first, "{budget}");
        }
        // An empty text is a token too, so that no number of them is read.
        for _ in 0..300 {
            let empty = Turn {
                question: String::new(),
                ..turn("silent")
            };
            store.begin(&key, &empty).await.unwrap();
            store.commit(&key, &empty, "").await.unwrap();
        }
        assert_eq!(history(&store, &key, 501).await.len(), 500);
    })
    .await;
}

#[tokio::test]
async fn expired_sessions_are_hidden_at_once_and_purged_later() {
    on_each_store(async |test_store| {
        let store = test_store.open().await.sessions();
        let over = |text| Turn {
            ttl: Duration::ZERO,
            ..turn(text)
        };
        for id in ["a", "b", "c"] {
            take_turn(&store, &key(id), &over("old")).await.unwrap();
        }
        take_turn(&store, &key("d"), &turn("good")).await.unwrap();
        tokio::time::sleep(Duration::from_millis(2)).await;
        assert!(history(&store, &key("a"), 1000).await.is_empty());
        assert_eq!(store.facts(&key("a")).await.unwrap(), None);
        assert_eq!(store.messages(&key("a"), 0, 10).await.unwrap(), None);
        let listed = store.list("ada", "desk", None, 10).await.unwrap();
        assert_eq!(listed.len(), 1);
        assert!(!store.delete(&key("b"), &lease("p", MINUTE)).await.unwrap());
        // The id can be used for a new session, and a lease protects a session from purging.
        take_turn(&store, &key("a"), &over("new")).await.unwrap();
        let newer = turn("newer");
        store.begin(&key("c"), &newer).await.unwrap();
        assert_eq!(
            store.purge(10).await.unwrap(),
            1,
            "b is deleted, c is leased"
        );
        store.commit(&key("c"), &newer, "re newer").await.unwrap();
        let facts = store.facts(&key("c")).await.unwrap().unwrap();
        assert_eq!(facts.messages, 2, "nothing is left of the old one");
        // A session that expires while its turn runs goes on.
        let brief = Turn {
            ttl: Duration::from_millis(300),
            ..turn("brief")
        };
        take_turn(&store, &key("e"), &brief).await.unwrap();
        store.begin(&key("e"), &newer).await.unwrap();
        tokio::time::sleep(Duration::from_millis(310)).await;
        assert_eq!(store.facts(&key("e")).await.unwrap(), None);
        store.commit(&key("e"), &newer, "re newer").await.unwrap();
        assert_eq!(store.facts(&key("e")).await.unwrap().unwrap().messages, 4);

        for id in 0..5 {
            take_turn(&store, &key(&id.to_string()), &over("old"))
                .await
                .unwrap();
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
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
            take_turn(&store, &key(&id), &turn("hello")).await.unwrap();
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
            take_turn(&store, &key, &turn("private")).await.unwrap();
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
            take_turn(&store, &key("s0"), &turn("again")).await.unwrap();
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
        take_turn(&store, &key("a"), &turn("one")).await.unwrap();
        assert!(store.delete(&key("a"), &lease).await.unwrap());
        assert!(!store.delete(&key("a"), &lease).await.unwrap());
        take_turn(&store, &key("a"), &turn("anew")).await.unwrap();
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
        for number in 0..5 {
            let short = Turn {
                history_tokens: 10,
                ..turn(&format!("turn {number}"))
            };
            take_turn(&store, &key("a"), &short).await.unwrap();
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
    let store: Sessions = Arc::new(MemorySessions::default());
    for id in 0..=10_000 {
        take_turn(&store, &key(&id.to_string()), &turn("x"))
            .await
            .unwrap();
    }
    let there = async |id: &str| store.facts(&key(id)).await.unwrap().is_some();
    assert!(there("10000").await && there("9999").await && there("5000").await);
    assert!(!there("0").await, "those longest unused make room");
    let left = store.list("ada", "desk", None, 100_000).await.unwrap();
    assert_eq!(left.len(), 9_001);
}
