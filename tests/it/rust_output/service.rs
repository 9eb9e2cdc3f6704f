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
}

struct Awkward;

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
