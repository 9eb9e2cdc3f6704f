//! What the generated service is measured against: the same JSON from an axum handler that somebody wrote by hand.

use std::io;

use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

#[derive(Deserialize, Serialize)]
struct Question {
    question: String,
    limit: Option<i64>,
}

#[derive(Serialize)]
struct Answer {
    answer: String,
    sources: Vec<&'static str>,
}

async fn ask(Json(question): Json<Question>) -> Result<Json<Answer>, StatusCode> {
    let said = serde_json::to_string(&question).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let count = said.chars().count();
    Ok(Json(Answer {
        answer: format!("[echo] desk received {count} characters: {said}"),
        sources: vec!["Some sources"],
    }))
}

fn main() -> io::Result<()> {
    tokio::runtime::Runtime::new()?.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("listening on http://{}", listener.local_addr()?);
        axum::serve(listener, Router::new().route("/ask", post(ask))).await
    })
}
