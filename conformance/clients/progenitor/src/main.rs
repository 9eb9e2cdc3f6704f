// openapi.json, of version 3.0, lies beside Cargo.toml.
use eventsource_stream::Eventsource;
use futures_util::TryStreamExt;

progenitor::generate_api!(spec = "openapi.json", interface = Builder);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).ok_or("the URL of the service?")?;
    let client = Client::new(&url);

    let plan = client
        .plan_orchestrator()
        .body_map(|body| body.goal("Ship it"));
    let plan = plan.send().await?.into_inner();
    println!("plan {} {}", plan.complexity, plan.subtasks.len());

    let runbook = client
        .runbook_deployment_engineer()
        .service("notifications")
        .environment(types::DeploymentEngineerRunbookRequestEnvironment::Staging);
    let runbook = runbook.send().await?.into_inner();
    println!("runbook {}", runbook.steps[0].title);

    let route = client
        .route_request()
        .body_map(|body| body.text("a chart").limit(1000));
    if let Err(Error::ErrorResponse(answer)) = route.send().await {
        let body: Vec<_> = answer.into_inner_stream().try_collect().await?;
        let problem: types::Problem = serde_json::from_slice(&body.concat())?;
        println!("problem {} {}", problem.status, problem.errors[0].pointer);
    }

    let stream = client
        .stream_architect()
        .body_map(|body| body.input("Hello"));
    let mut messages = stream.send().await?.into_inner_stream().eventsource();
    while let Some(message) = messages.try_next().await? {
        match serde_json::from_str(&message.data)? {
            types::AgentEvent::OutputDeltaEvent(event) => println!("event {}", event.text),
            _ => println!("event {}", message.event),
        }
    }
    Ok(())
}
