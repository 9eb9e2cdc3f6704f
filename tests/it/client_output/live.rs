//! The client against services on a socket.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use agentgen_runtime::{AgentError, RunContext};
use futures_util::{StreamExt, TryStreamExt};
use generated_client::flows::agents::{self, critic, desk, writer};
use generated_client::flows::client::agents::critic as critic_client;
use generated_client::flows::client::agents::desk::{
    ChangeRequest, Desk, FindRequest, NewRequest, RefuseError, RefuseRequest, RemoveRequest, WaitRequest,
};
use generated_client::flows::client::agents::writer::Writer;
use generated_client::flows::client::agents::writer::workflows::{self, PublishInput, PublishInputTone};
use generated_client::flows::client::{
    ActionKind, AgentEvent, Client, ClientError, DocumentInput, InvokeRequest, Page, RunFilter, RunStatus, StepAnswer, StepStatus, StopReason,
    WorkflowEvent,
};
use generated_client::{page, serve};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

#[derive(Clone)]
struct Own {
    ended: UnboundedSender<&'static str>,
}

/// Says when it is dropped.
struct Guard(UnboundedSender<&'static str>);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.send("dropped");
    }
}

impl desk::Desk for Own {
    async fn find(&self, _: &RunContext, request: desk::FindRequest) -> Result<desk::FindResponse, AgentError> {
        let found = serde_json::to_value(request).map_err(AgentError::internal)?;
        Ok(desk::FindResponse { found })
    }

    async fn change(&self, _: &RunContext, request: desk::ChangeRequest) -> Result<desk::ChangeResponse, AgentError> {
        let received = format!("{}: {:?}", request.id, request.nick);
        Ok(desk::ChangeResponse { received })
    }

    async fn remove(&self, _: &RunContext, request: desk::RemoveRequest) -> Result<(), AgentError> {
        match request.id {
            1 => Ok(()),
            id => Err(AgentError::not_found(format!("card {id}"))),
        }
    }

    async fn wait(&self, cx: &RunContext, request: desk::WaitRequest) -> Result<desk::WaitResponse, AgentError> {
        if request.text == "go" {
            return Ok(desk::WaitResponse { text: request.text });
        }
        let _guard = Guard(self.ended.clone());
        cx.delta("so ").await;
        std::future::pending().await
    }

    async fn refuse(&self, cx: &RunContext, request: desk::RefuseRequest) -> Result<desk::RefuseResponse, AgentError> {
        static CALLS: AtomicUsize = AtomicUsize::new(0);
        match request.how.as_str() {
            "late" | "after a word" => {
                if request.how != "late" {
                    cx.delta("well").await;
                }
                Err(desk::RefuseError::TooLate(desk::RefuseTooLate { hour: 17 }).into())
            }
            "odd" => Err(desk::RefuseError::Odd.into()),
            "busy" => Err(AgentError::RateLimited { retry_after: Duration::from_secs(7) }),
            _ => {
                let calls = CALLS.fetch_add(1, Ordering::SeqCst);
                Ok(desk::RefuseResponse { text: calls.to_string() })
            }
        }
    }
}

impl writer::Writer for Own {
    async fn stamp(&self, _: &RunContext, _: writer::StampRequest) -> Result<writer::StampResponse, AgentError> {
        Ok(writer::StampResponse(()))
    }
}

impl critic::Critic for Own {
    async fn review(&self, _: &RunContext, request: critic::ReviewRequest) -> Result<critic::ReviewResponse, AgentError> {
        match request.text.as_str() {
            "storms" => Err(AgentError::conflict("not on a day like this")),
            "slow" => std::future::pending().await,
            _ => Ok(critic::ReviewResponse {
                verdict: critic::ReviewResponseVerdict::Good,
                notes: vec![request.text],
            }),
        }
    }

    async fn count(&self, _: &RunContext, request: critic::CountRequest) -> Result<critic::CountResponse, AgentError> {
        Ok(critic::CountResponse(request.text.len() as i64))
    }

    async fn invoke(&self, _: &RunContext, request: critic::InvokeRequest) -> Result<critic::InvokeResponse, AgentError> {
        Ok(critic::InvokeResponse { output: Some(request.input) })
    }
}

impl agents::Handlers for Own {
    fn critic(&self) -> impl critic::Critic {
        self.clone()
    }

    fn desk(&self) -> impl desk::Desk {
        self.clone()
    }

    fn writer(&self) -> impl writer::Writer {
        self.clone()
    }
}

/// A client of a new service, and what its handlers say.
async fn client() -> (Client, UnboundedReceiver<&'static str>) {
    let (ended, said) = unbounded_channel();
    let url = serve(agents::registry(&Own { ended })).await;
    (Client::new(&url).expect("a client"), said)
}

fn find(shelf: &str) -> FindRequest {
    FindRequest {
        shelf: shelf.to_owned(),
        text: "a&b=c +ü%".to_owned(),
        x_tenant: "Zürich".to_owned(),
        x_tags: Some(vec!["one two".to_owned(), "three".to_owned()]),
        pages: Some(vec![1, -2]),
        exact: Some(false),
        ratio: Some(0.1),
    }
}

#[tokio::test]
async fn properties_arrive_from_path_query_and_headers() {
    let (client, _said) = client().await;
    let desk = Desk::new(&client);
    for shelf in ["sea & sail", "a/b", "%2F", "ü?#", "...", ".a", "{shelf}"] {
        let response = desk.find(&find(shelf)).await.expect(shelf);
        let sent = serde_json::to_value(find(shelf)).expect("JSON");
        assert_eq!(response.found, sent, "{shelf}");
    }
    let bare = FindRequest { x_tags: None, pages: None, exact: None, ratio: None, ..find("x") };
    let response = desk.find(&bare).await.expect("an answer");
    assert_eq!(response.found, serde_json::to_value(&bare).expect("JSON"));
}

#[tokio::test]
async fn what_would_mean_something_else_is_not_sent() {
    let (client, _said) = client().await;
    let desk = Desk::new(&client);
    let comma = FindRequest { x_tags: Some(vec!["a,b".to_owned()]), ..find("x") };
    let line = FindRequest { x_tenant: "a\nb".to_owned(), ..find("x") };
    let blank = FindRequest { x_tenant: " a".to_owned(), ..find("x") };
    for request in [find(""), find("."), find(".."), comma, line, blank] {
        let error = desk.find(&request).await.expect_err("it is refused");
        assert!(matches!(&error, ClientError::Request(_)), "{error}");
    }
    assert!(Client::new("localhost:80").is_err());
    assert!(Client::new("http://localhost/?a").is_err());
}

#[tokio::test]
async fn nothing_null_and_a_value_are_three_things() {
    let (client, _said) = client().await;
    let desk = Desk::new(&client);
    for (nick, received) in [
        (None, "3: None"),
        (Some(None), "3: Some(None)"),
        (Some(Some("bo".to_owned())), "3: Some(Some(\"bo\"))"),
    ] {
        let response = desk.change(&ChangeRequest { id: 3, nick }).await.expect("an answer");
        assert_eq!(response.received, received);
    }
    let short = ChangeRequest { id: 3, nick: Some(Some("b".to_owned())) };
    let Err(ClientError::Problem(problem)) = desk.change(&short).await else {
        panic!("it is refused");
    };
    assert_eq!((problem.status, problem.errors[0].pointer.as_str()), (422, "/nick"));
    assert_eq!(problem.instance, "/cards/3");
    assert!(!problem.request_id.is_empty());
}

#[tokio::test]
async fn an_answer_may_have_no_body() {
    let (client, _said) = client().await;
    let desk = Desk::new(&client);
    desk.remove(&RemoveRequest { id: 1 }).await.expect("it is removed");
    let error = desk.remove(&RemoveRequest { id: 2 }).await.expect_err("there is none");
    assert_eq!(error.status(), Some(404));
    assert!(error.to_string().ends_with("card 2"), "{error}");
}

fn refuse(how: &str) -> RefuseRequest {
    RefuseRequest { how: how.to_owned() }
}

#[tokio::test]
async fn declared_errors_are_variants_of_the_call_and_of_the_stream() {
    let (client, _said) = client().await;
    let desk = Desk::new(&client);
    let late = desk.refuse(&refuse("late")).await.expect_err("late");
    let ClientError::Declared { error: RefuseError::TooLate(members), problem } = late else {
        panic!("{late:?}");
    };
    assert_eq!((members.hour, problem.status, problem.code.as_deref()), (17, 409, Some("too-late")));
    let odd = desk.refuse(&refuse("odd")).await.expect_err("odd");
    assert!(matches!(odd, ClientError::Declared { error: RefuseError::Odd, .. }), "{odd:?}");
    let busy = desk.refuse(&refuse("busy")).await.expect_err("busy");
    let problem = busy.problem().expect("a problem");
    assert_eq!((problem.status, problem.retry_after), (429, Some(7)));

    let late = desk.refuse(&refuse("late")).stream().await.expect_err("late");
    assert!(matches!(late, ClientError::Declared { error: RefuseError::TooLate(_), .. }), "{late:?}");
    let events = desk.refuse(&refuse("after a word")).stream().await.expect("a stream");
    let events: Vec<_> = events.collect().await;
    assert!(matches!(&events[0], Ok(AgentEvent::Started { agent, .. }) if agent == "desk"), "{events:?}");
    let Some(Err(ClientError::Declared { error: RefuseError::TooLate(_), problem })) = events.last() else {
        panic!("{events:?}");
    };
    assert!(problem.run.is_some());
}

#[tokio::test]
async fn a_key_makes_the_second_call_the_first() {
    let (client, _said) = client().await;
    let desk = Desk::new(&client);
    let first = desk.refuse(&refuse("")).idempotency_key("k1").await.expect("an answer");
    let same = desk.refuse(&refuse("")).idempotency_key("k1").await.expect("an answer");
    let other = desk.refuse(&refuse("")).await.expect("an answer");
    assert_eq!(first, same);
    assert_ne!(first, other);
}

#[tokio::test]
async fn a_model_answers_as_json_and_in_pieces() {
    let (client, _said) = client().await;
    let writer = Writer::new(&client);
    let answer = writer.invoke(&InvokeRequest::new("Hello there")).await.expect("an answer");
    assert_eq!((answer.model.as_str(), answer.stop_reason), ("echo", StopReason::EndTurn));
    let stream = writer.invoke(&InvokeRequest::new("Hello there")).stream().await.expect("a stream");
    let events: Vec<_> = stream.try_collect().await.expect("events");
    let pieces: String = events
        .iter()
        .filter_map(|event| match event {
            AgentEvent::Delta { text } => Some(text.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(pieces, answer.output);
    let Some(AgentEvent::Completed { output, usage, .. }) = events.last() else {
        panic!("{events:?}");
    };
    assert_eq!((output.output.as_str(), *usage), (answer.output.as_str(), answer.usage));

    let request = NewRequest { text: "x".to_owned() };
    let desk = Desk::new(&client);
    let whole = desk.new_(&request).stream().await.expect("a stream").output().await.expect("an answer");
    assert_eq!(whole, desk.new_(&request).await.expect("an answer"));
}

#[tokio::test]
async fn a_dropped_stream_ends_the_run_and_time_ends_a_call() {
    let (client, mut said) = client().await;
    let desk = Desk::new(&client);
    let request = WaitRequest { text: "long".to_owned() };
    let mut events = desk.wait(&request).stream().await.expect("a stream");
    assert!(matches!(events.try_next().await, Ok(Some(AgentEvent::Started { .. }))));
    assert!(said.try_recv().is_err());
    drop(events);
    let end = tokio::time::timeout(Duration::from_secs(20), said.recv()).await;
    assert_eq!(end.expect("in time"), Some("dropped"));

    let quick = Client::with_timeout(client.clone(), Duration::from_millis(200));
    let error = Desk::new(&quick).wait(&request).await.expect_err("it takes long");
    assert!(matches!(error, ClientError::TimedOut), "{error}");
    let mut events = Desk::new(&quick).wait(&request).stream().await.expect("a stream");
    assert!(matches!(events.try_next().await, Ok(Some(AgentEvent::Started { .. }))));
    assert!(matches!(events.try_next().await, Ok(Some(AgentEvent::Delta { .. }))));
    let error = events.try_next().await.expect_err("it is silent");
    assert!(matches!(error, ClientError::TimedOut), "{error}");
    let go = WaitRequest { text: "go".to_owned() };
    let answer = desk.wait(&go).timeout(Duration::from_secs(30)).await.expect("an answer");
    assert_eq!(answer.text, "go");
}

#[tokio::test]
async fn nobody_there_is_a_transport_error() {
    let client = Client::new("http://127.0.0.1:9").expect("a client");
    let error = Writer::new(&client).invoke(&InvokeRequest::new("x")).await.expect_err("nobody");
    assert!(matches!(error, ClientError::Transport(_)), "{error}");
}

#[tokio::test]
async fn conversations_are_listed_read_and_deleted() {
    let (client, _said) = client().await;
    let mut begun = Vec::new();
    for text in ["Good morning", "Good evening"] {
        let answer = Writer::new(&client).invoke(&InvokeRequest::new(text)).await.expect("an answer");
        begun.insert(0, answer.session_id.expect("a conversation"));
    }
    let sessions = client.sessions("writer");
    let page = sessions.list(&Page { limit: Some(1), ..Page::default() }).await.expect("a page");
    let rest = sessions.list(&Page { cursor: page.next_cursor.clone(), limit: None }).await.expect("a page");
    let ids: Vec<&String> = page.sessions.iter().chain(&rest.sessions).map(|session| &session.id).collect();
    assert_eq!(ids, begun.iter().collect::<Vec<_>>());
    assert_eq!(rest.next_cursor, None);
    assert_eq!(sessions.get(&begun[0]).await.expect("a conversation"), page.sessions[0]);
    let said = sessions.messages(&begun[1], &Page::default()).await.expect("messages");
    let roles: Vec<&str> = said.messages.iter().map(|message| message.role.as_str()).collect();
    assert_eq!((roles, said.messages[0].text.as_str()), (vec!["user", "assistant"], "Good morning"));
    sessions.delete(&begun[1]).await.expect("it is gone");
    let error = sessions.get(&begun[1]).await.expect_err("it is gone");
    assert_eq!(error.status(), Some(404), "{error}");
}

#[tokio::test]
async fn documents_are_put_listed_read_and_deleted() {
    let (client, _said) = client().await;
    let documents = client.documents("desk");
    let mut document = DocumentInput { id: Some("handbook/keys".to_owned()), ..DocumentInput::default() };
    let error = documents.put(std::slice::from_ref(&document)).await.expect_err("it has no text");
    assert_eq!(error.problem().expect("a problem").errors[0].pointer, "/documents/0/text");
    document.text = "Keys are rotated every thirty days.".to_owned();
    document.updated_at = Some("2026-01-31T12:00:00Z".into());
    document.metadata.insert("chapter".to_owned(), 3.into());
    let put = documents.put(&[document.clone()]).await.expect("it is put");
    assert_eq!((put.documents[0].id.as_str(), put.documents[0].passages), ("handbook/keys", 1));
    let list = documents.list(&Page::default()).await.expect("a page");
    assert_eq!((list.documents.len(), list.documents[0].id.as_str()), (1, "handbook/keys"));
    let read = documents.get("handbook/keys").await.expect("a document");
    assert_eq!((read.text, read.metadata), (document.text, document.metadata));
    documents.delete("handbook/keys").await.expect("it is gone");
    assert_eq!(documents.get("handbook/keys").await.expect_err("it is gone").status(), Some(404));
}

#[tokio::test]
async fn a_service_says_that_it_is_ready_and_that_it_issues_no_tokens() {
    let (client, _said) = client().await;
    let ready = client.readiness().await.expect("it is ready");
    assert!(ready.checks.iter().any(|check| check.name == "store" && check.status == "ok"), "{ready:?}");
    let call = client.issue_token("web", "sesame");
    assert!(!format!("{call:?}").contains(&format!("{:?}", "sesame".as_bytes()).replace(['[', ']'], "")));
    assert_eq!(call.await.expect_err("there are none").status(), Some(404));
    assert_eq!(client.refresh_token("web", "a secret", "dddd").await.expect_err("there are none").status(), Some(404));
}

fn about(topic: &str) -> PublishInput {
    PublishInput { topic: topic.to_owned(), loud: None, tone: Some(PublishInputTone::Warm), per: None }
}

#[tokio::test]
async fn a_workflow_is_started_followed_and_reported() {
    let (client, _said) = client().await;
    let publish = workflows::publish(&client);
    let run = publish.start(&about("storms")).idempotency_key("r1").await.expect("a run");
    let again = publish.start(&about("storms")).idempotency_key("r1").await.expect("a run");
    assert_eq!(run.run_id, again.run_id);
    let report = publish.wait(&run.run_id).await.expect("a report");
    assert_eq!(report.status, RunStatus::Completed, "{report:?}");
    assert_eq!(report.steps.shout.status, StepStatus::Skipped);
    assert_eq!(report.steps.count.output, Some(critic_client::CountResponse(6)));
    assert!(matches!(report.steps.review.output, Some(StepAnswer::Fallback(_))), "{report:?}");
    assert!(report.steps.draft.output.is_some());

    let events: Vec<_> = publish.events(&run.run_id).try_collect().await.expect("events");
    let numbers: Vec<u64> = events.iter().map(|event| event.id).collect();
    assert_eq!(numbers, (1..=events.len() as u64).collect::<Vec<_>>());
    let Some(WorkflowEvent::Finished { status, .. }) = events.last().map(|last| &last.event) else {
        panic!("{events:?}");
    };
    assert_eq!(*status, RunStatus::Completed);
    let rest: Vec<_> = publish.events_after(&run.run_id, 2).try_collect().await.expect("events");
    assert_eq!(rest, events[2..]);
    let last = events.len() as u64;
    let none: Vec<_> = publish.events_after(&run.run_id, last).try_collect().await.expect("events");
    assert!(none.is_empty());

    let slow = publish.start(&about("slow")).await.expect("a run");
    publish.cancel(&slow.run_id).await.expect("it will end");
    let report = publish.wait(&slow.run_id).await.expect("a report");
    assert_eq!(report.status, RunStatus::Cancelled);
    let all = client.runs(&RunFilter::default(), &Page::default()).await.expect("a list");
    let listed: Vec<_> = all.runs.iter().map(|listed| listed.run_id.clone()).collect();
    assert_eq!(listed, [slow.run_id.clone(), run.run_id.clone()]);
    let cancelled = RunFilter {
        status: vec![RunStatus::Cancelled, RunStatus::Failed],
        workflow: Some("publish".to_owned()),
        since: Some(report.created_at.clone()),
        ..RunFilter::default()
    };
    let found = client.runs(&cancelled, &Page { limit: Some(1), ..Page::default() }).await.expect("a list");
    assert_eq!((found.runs.len(), &found.runs[0].run_id, found.next_cursor), (1, &slow.run_id, None));
    let error = publish.cancel(&run.run_id).await.expect_err("it is over");
    assert_eq!(error.status(), Some(409));
    let error = publish.pause(&run.run_id).await.expect_err("it is over");
    assert_eq!(error.status(), Some(409));
    let error = publish.resume(&run.run_id).await.expect_err("it is over");
    assert_eq!(error.status(), Some(409));
    let retried = publish.retry(&slow.run_id).await.expect("it was cancelled");
    assert_eq!(retried.run_id, slow.run_id);
    publish.cancel(&slow.run_id).await.expect("it will end");
    let retried = publish.wait(&slow.run_id).await.expect("its report");
    assert_eq!((retried.status, retried.attempts), (RunStatus::Cancelled, 2));
    let restarted = publish.restart(&run.run_id).await.expect("another run");
    let report_of_it = publish.wait(&restarted.run_id).await.expect("its report");
    assert_eq!(report_of_it.restarted_from.as_ref(), Some(&run.run_id));
    let older = RunFilter { before: Some(report.created_at.clone()), ..RunFilter::default() };
    let first = client.delete_runs(&older).await.expect("the first run");
    assert_eq!((first.deleted, first.has_more), (1, false));
    let error = publish.get(&"01936f2e-7b1c-7000-8000-000000000001".into()).await.expect_err("none");
    assert_eq!(error.status(), Some(404));
}

#[tokio::test]
async fn a_run_that_waits_gets_an_answer_and_an_event() {
    let (client, _said) = client().await;
    let hold = workflows::hold(&client);
    let input = workflows::HoldInput { input: "now".to_owned() };
    let run = hold.start(&input).await.expect("a run").run_id;
    let mut report = hold.get(&run).await.expect("a report");
    while report.actions.is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
        report = hold.get(&run).await.expect("a report");
    }
    assert_eq!((report.actions[0].kind, report.actions[0].prompt.as_deref()), (ActionKind::Question, Some("Go on?")));
    let question = report.actions[0].id.clone();
    let answer = workflows::HoldAsksAnswer { go: true };
    hold.answer(&run, &question, &answer).await.expect("it is taken");
    let error = hold.answer(&run, &question, &answer).await.expect_err("it is answered");
    assert_eq!(error.status(), Some(409));
    let paid = workflows::HoldPaidEvent { amount: 3.5 };
    hold.send_event(&run, "a.paid", &paid).await.expect("it is taken");
    let report = hold.wait(&run).await.expect("a report");
    assert_eq!(report.status, RunStatus::Completed);
    assert_eq!(report.steps.asks.output, Some(answer));
    assert_eq!(report.steps.paid.output, Some(paid));
}

struct Bookshop;

impl page::agents::shopkeeper::Shopkeeper for Bookshop {
    async fn reserve(
        &self,
        _: &RunContext,
        _: page::agents::shopkeeper::ReserveRequest,
    ) -> Result<page::agents::shopkeeper::ReserveResponse, AgentError> {
        let until = "Friday".to_owned();
        let members = page::agents::shopkeeper::ReserveAlreadyReserved { until };
        Err(page::agents::shopkeeper::ReserveError::AlreadyReserved(members).into())
    }

    async fn search(
        &self,
        _: &RunContext,
        request: page::agents::shopkeeper::SearchRequest,
    ) -> Result<page::agents::shopkeeper::SearchResponse, AgentError> {
        Ok(page::agents::shopkeeper::SearchResponse { titles: vec![request.query] })
    }
}

impl page::agents::Handlers for Bookshop {
    fn shopkeeper(&self) -> impl page::agents::shopkeeper::Shopkeeper {
        Self
    }
}

#[tokio::test]
async fn the_example_of_the_page_runs() {
    let url = serve(page::agents::registry(&Bookshop)).await;
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_page"))
        .env("AGENTS_URL", url)
        .output()
        .await
        .expect("it starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("reserved until Friday"), "{text}");
    assert!(text.contains(" -> "), "{text}");
    assert!(text.contains("Completed: Some(RecommendResponse"), "{text}");
}
