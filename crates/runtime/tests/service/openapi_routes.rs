//! The operations in `openapi/*_paths.yaml` are those that the service answers.

use agentgen_runtime::axum::Router;

use crate::document_fixture::documents_app;
use crate::http_client::{request, send};
use crate::workflow_fixture::{WorkflowApp, diamond};

/// The paths of a file in `openapi/`, each with its methods.
fn operations(text: &str) -> Vec<(String, Vec<String>)> {
    let mut paths: Vec<(String, Vec<String>)> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let key = line.trim_end_matches(':');
        let method = line.strip_prefix("  ").map(|key| key.trim_end_matches(':'));
        match (paths.last_mut(), method) {
            (_, None) => paths.push((key.to_owned(), Vec::new())),
            (Some((_, methods)), Some(method)) if !method.starts_with(' ') => {
                methods.push(method.to_uppercase());
            }
            _ => {}
        }
    }
    paths
}

/// The service allows the methods of each path, and no others but HEAD and OPTIONS.
async fn assert_routes(app: &Router, text: &str) {
    let paths = operations(text);
    assert!(!paths.is_empty());
    for (path, mut expected) in paths {
        let path = path
            .replace("{agent}", "reader")
            .replace("{run_id}", "01936f2e-7b1c-7000-8000-000000000004");
        let answer = send(app, request("OPTIONS", &path, &[], "")).await;
        assert_eq!(answer.status, 204, "{path}: {}", answer.text);
        if expected.iter().any(|method| method == "GET") {
            expected.push("HEAD".to_owned());
        }
        expected.push("OPTIONS".to_owned());
        expected.sort();
        let mut allowed: Vec<&str> = answer.header("allow").split(", ").collect();
        allowed.sort_unstable();
        assert_eq!(allowed, expected, "{path}");
    }
}

#[tokio::test]
async fn operations_of_the_contract_are_served() {
    let room = documents_app();
    assert_routes(&room, include_str!("../../openapi/service_paths.yaml")).await;
    assert_routes(&room, include_str!("../../openapi/document_paths.yaml")).await;
    let stage = WorkflowApp::new(diamond());
    assert_routes(&stage.app, include_str!("../../openapi/run_paths.yaml")).await;
}
