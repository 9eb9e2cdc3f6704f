//! A service of generated agents.

mod agents {
    ::agentgen_runtime::include_agents!("../generated");
}

use agentgen_runtime::{AgentError, RunContext};
use agents::{chat_request, shop};

struct Shop;

impl shop::Shop for Shop {
    async fn order(
        &self,
        _: &RunContext,
        request: shop::OrderRequest,
    ) -> Result<shop::OrderResponse, AgentError> {
        let line = request.tags.concat();
        Ok(shop::OrderResponse(vec![shop::OrderResponseItem { line }]))
    }

    async fn empty(
        &self,
        _: &RunContext,
        _: shop::EmptyRequest,
    ) -> Result<shop::EmptyResponse, AgentError> {
        Ok(shop::EmptyResponse(()))
    }

    async fn buy(
        &self,
        _: &RunContext,
        request: shop::BuyRequest,
    ) -> Result<shop::BuyResponse, AgentError> {
        match (request.item_id, request.x_tenant.as_str(), request.kind) {
            (1, "self", 1) => Err(shop::BuyError::Self_.into()),
            (_, tenant, _) => Ok(shop::BuyResponse { self_: tenant.to_owned() }),
        }
    }

    async fn drop_it(&self, _: &RunContext, request: shop::DropItRequest) -> Result<(), AgentError> {
        let found = errors().into_iter().find(|error| i64::from(error.status()) == request.item_id);
        found.map_or(Ok(()), Err)
    }
}

struct Awkward;

/// Every declared error can be made, with a text of its own too.
fn errors() -> [AgentError; 3] {
    let members = shop::BuyBuyRequest { self_: "it".to_owned(), crate_: None };
    [
        shop::BuyError::Self_.into(),
        shop::BuyError::BuyRequest(members).into(),
        shop::BuyError::Error.with_detail("there"),
    ]
}

macro_rules! echo {
    ($($name:ident $request:ident $response:ident),+) => {
        impl chat_request::ChatRequest for Awkward {
            $(async fn $name(
                &self,
                _: &RunContext,
                request: chat_request::$request,
            ) -> Result<chat_request::$response, AgentError> {
                let text = agentgen_runtime::codegen::serde_json::to_string(&request);
                let text = text.map_err(AgentError::internal)?;
                agentgen_runtime::codegen::serde_json::from_str(&text).map_err(AgentError::internal)
            })+
        }
    };
}

echo!(
    async_ AsyncRequest AsyncResponse,
    clone CloneRequest CloneResponse,
    eq EqRequest EqResponse,
    handler HandlerRequest HandlerResponse,
    request RequestRequest RequestResponse,
    run RunRequest RunResponse,
    service ServiceRequest ServiceResponse,
    type_id TypeIdRequest TypeIdResponse
);

struct All;

impl agents::Handlers for All {
    fn chat_request(&self) -> impl chat_request::ChatRequest {
        Awkward
    }

    fn shop(&self) -> impl shop::Shop {
        Shop
    }
}

fn main() -> std::process::ExitCode {
    agentgen_runtime::serve(agents::registry(&All))
}
