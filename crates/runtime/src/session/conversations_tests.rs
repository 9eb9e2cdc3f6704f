//! When a turn begins in the store, and what is left there of one that fails.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use crate::error::AgentError;
use crate::error::store_error::StoreError;
use crate::future::{BoxFuture, boxed_ready};
use crate::model::Message;
use crate::session::conversations::Sessions;
use crate::session::memory_sessions::MemorySessions;
use crate::session::session_store::{
    PastMessage, SessionFacts, SessionKey, SessionLease, SessionStore, Turn,
};
use crate::spec::agent_spec::Policy;

/// Sessions in memory that remember what was called, and can't begin a turn if `is_down`.
#[derive(Default)]
struct Recorder {
    memory: MemorySessions,
    calls: Mutex<Vec<&'static str>>,
    is_down: bool,
}

impl Recorder {
    fn record(&self, call: &'static str) {
        self.calls.lock().unwrap().push(call);
    }

    fn calls(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }
}

impl SessionStore for Arc<Recorder> {
    fn begin<'a>(
        &'a self,
        key: &'a SessionKey,
        turn: &'a Turn,
    ) -> BoxFuture<'a, Result<Vec<Message>, StoreError>> {
        self.record("begin");
        if self.is_down {
            return boxed_ready(Err(StoreError::unavailable("down")));
        }
        self.memory.begin(key, turn)
    }

    fn renew<'a>(
        &'a self,
        key: &'a SessionKey,
        lease: &'a SessionLease,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.record("renew");
        self.memory.renew(key, lease)
    }

    fn release<'a>(
        &'a self,
        key: &'a SessionKey,
        lease: &'a SessionLease,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.record("release");
        self.memory.release(key, lease)
    }

    fn release_all<'a>(&'a self, owner: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        self.memory.release_all(owner)
    }

    fn commit<'a>(
        &'a self,
        key: &'a SessionKey,
        turn: &'a Turn,
        answer: &'a str,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.record("commit");
        self.memory.commit(key, turn, answer)
    }

    fn create<'a>(
        &'a self,
        key: &'a SessionKey,
        turn: &'a Turn,
        answer: &'a str,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.record("create");
        self.memory.create(key, turn, answer)
    }

    fn facts<'a>(
        &'a self,
        key: &'a SessionKey,
    ) -> BoxFuture<'a, Result<Option<SessionFacts>, StoreError>> {
        self.memory.facts(key)
    }

    fn list<'a>(
        &'a self,
        subject: &'a str,
        agent: &'a str,
        after: Option<(SystemTime, &'a str)>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<SessionFacts>, StoreError>> {
        self.memory.list(subject, agent, after, limit)
    }

    fn messages<'a>(
        &'a self,
        key: &'a SessionKey,
        after: u64,
        limit: u32,
    ) -> BoxFuture<'a, Result<Option<Vec<PastMessage>>, StoreError>> {
        self.memory.messages(key, after, limit)
    }

    fn delete<'a>(
        &'a self,
        key: &'a SessionKey,
        lease: &'a SessionLease,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.memory.delete(key, lease)
    }

    fn purge(&self, limit: u32) -> BoxFuture<'_, Result<u64, StoreError>> {
        self.memory.purge(limit)
    }
}

fn sessions(is_down: bool) -> (Arc<Recorder>, Arc<Sessions>) {
    let recorder = Arc::new(Recorder {
        is_down,
        ..Recorder::default()
    });
    let store = Arc::new(Arc::clone(&recorder));
    (recorder, Arc::new(Sessions::new(store)))
}

fn key() -> SessionKey {
    SessionKey {
        subject: "ada".to_owned(),
        agent: "desk".to_owned(),
        id: "new".to_owned(),
    }
}

/// The model at work.
async fn answer_after(millis: u64) -> Result<&'static str, AgentError> {
    tokio::time::sleep(Duration::from_millis(millis)).await;
    Ok("Hello.")
}

#[tokio::test(start_paused = true)]
async fn a_first_turn_begins_in_the_store_when_it_goes_on() {
    for (millis, expected) in [
        (0, &["create"][..]),
        (10, &["create"]),
        (30, &["begin", "commit"]),
        (12_000, &["begin", "renew", "commit"]),
    ] {
        let (recorder, sessions) = sessions(false);
        let turn = sessions.begin_first(key(), "Hi".to_owned(), &Policy::default());
        let mut turn = turn.unwrap();
        let answer = turn.hold(answer_after(millis)).await.unwrap();
        turn.commit(answer).await.unwrap();
        assert_eq!(recorder.calls(), expected, "{millis} ms");
        let facts = recorder.memory.facts(&key()).await.unwrap().unwrap();
        assert_eq!(facts.messages, 2);
        // The next turn has to begin before it reads.
        let policy = Policy::default();
        let next = sessions.begin(key(), "And?".to_owned(), &policy).await;
        assert_eq!(next.unwrap().history.len(), 2);
        assert_eq!(recorder.calls(), ["begin"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_turn_that_fails_leaves_nothing() {
    for (millis, expected) in [(0, &[][..]), (10, &[]), (30, &["begin", "release"])] {
        let (recorder, sessions) = sessions(false);
        let turn = sessions.begin_first(key(), "Hi".to_owned(), &Policy::default());
        let mut turn = turn.unwrap();
        turn.hold(answer_after(millis)).await.unwrap();
        drop(turn);
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(recorder.calls(), expected, "{millis} ms");
        assert_eq!(recorder.memory.facts(&key()).await.unwrap(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn no_model_works_for_long_where_nothing_can_be_stored() {
    let (recorder, sessions) = sessions(true);
    let turn = sessions.begin_first(key(), "Hi".to_owned(), &Policy::default());
    let mut turn = turn.unwrap();
    let began = tokio::time::Instant::now();
    let failed = turn.hold(answer_after(60_000)).await;
    assert!(matches!(failed, Err(AgentError::Unavailable(_))));
    assert!(began.elapsed() < Duration::from_secs(1));
    drop(turn);
    assert_eq!(recorder.calls(), ["begin"]);
}
