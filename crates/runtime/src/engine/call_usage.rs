//! Counts what one model call takes, however it ends.
//!
//! Invariant: each call is counted once, when its [`CallUsage`] is dropped: so it is also counted if the run is cancelled or
//! runs out of time in the middle of an answer.

use crate::engine::turn_context::TurnContext;
use crate::error::AgentError;
use crate::error::provider_error::ProviderErrorKind;
use crate::event::agent_event::Usage;
use crate::model::{Chunk, ModelRequest, Step, ToolCall, estimated_tokens};

/// The usage of a call under way. What the model does not report is estimated from the length of the texts.
pub(crate) struct CallUsage<'a> {
    cx: &'a TurnContext<'a>,
    request: &'a ModelRequest,
    /// As `provider:model`.
    model: &'a str,
    reported: Usage,
    /// The bytes that the model wrote.
    written: usize,
    phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The request is with the model; nothing came back.
    Sent,
    /// A part of the answer came back.
    Answering,
    /// The answer is complete.
    Complete,
    /// The call failed before a part of the answer came back, and not because of the time: it cost nothing.
    Refused,
}

impl<'a> CallUsage<'a> {
    /// Begins to count a call of `model`.
    pub(crate) fn begin(
        cx: &'a TurnContext<'a>,
        request: &'a ModelRequest,
        model: &'a str,
    ) -> Self {
        cx.meter.called(model);
        Self {
            cx,
            request,
            model,
            reported: Usage::default(),
            written: 0,
            phase: Phase::Sent,
        }
    }

    /// Counts a chunk. Returns whether it is the first one.
    pub(crate) fn received(&mut self, chunk: &Chunk) -> bool {
        let is_first = self.phase == Phase::Sent;
        self.phase = Phase::Answering;
        match chunk {
            Chunk::Text(text) | Chunk::Reasoning(text) => self.written += text.len(),
            Chunk::ToolCall(call) => self.written += call_bytes(call),
            Chunk::Usage(usage) => self.reported = *usage,
            Chunk::Done { usage, .. } => {
                self.phase = Phase::Complete;
                if usage.total() > 0 {
                    self.reported = *usage;
                }
            }
            Chunk::TextWasReasoning | Chunk::Metadata(_) => {}
        }
        is_first
    }

    /// Records that the provider ended the call with an error.
    pub(crate) fn failed(&mut self, error: &AgentError) {
        let was_slow = matches!(error, AgentError::TimedOut(_))
            || error.provider_error_kind() == Some(ProviderErrorKind::TimedOut);
        if self.phase == Phase::Sent && !was_slow {
            self.phase = Phase::Refused;
        }
    }

    fn usage(&self) -> Usage {
        let is_reported = self.reported.total() > 0;
        match self.phase {
            Phase::Refused => Usage::default(),
            Phase::Complete if is_reported => self.reported,
            Phase::Sent | Phase::Answering | Phase::Complete => Usage {
                input_tokens: if is_reported {
                    self.reported.input_tokens
                } else {
                    estimated_tokens(sent_bytes(self.request))
                },
                output_tokens: estimated_tokens(self.written).max(self.reported.output_tokens),
                estimated: true,
            },
        }
    }
}

impl Drop for CallUsage<'_> {
    fn drop(&mut self) {
        let usage = self.usage();
        let agent = self.request.agent.slug;
        self.cx.metrics.model_used(agent, self.model, usage);
        self.cx.meter.add(usage);
    }
}

/// As many bytes of text cost what an image costs: providers count some 1,500 tokens for a large one, whatever its file has.
const IMAGE_BYTES: usize = 6_000;

/// The bytes of the texts that a model reads.
fn sent_bytes(request: &ModelRequest) -> usize {
    let messages = request.messages.iter().map(|message| message.text.len());
    let steps = request.steps.iter().map(|step| match step {
        Step::ToolCalls {
            text,
            calls,
            results,
            ..
        } => {
            let calls = calls.iter().map(call_bytes);
            let results = results
                .iter()
                .map(|result| result.text.len() + result.images.len() * IMAGE_BYTES);
            text.len() + calls.chain(results).sum::<usize>()
        }
        Step::SchemaMismatch { text, correction } => text.len() + correction.len(),
    });
    let tools = request
        .tools
        .iter()
        .map(|tool| tool.name.len() + tool.description.len() + tool.input_schema.to_string().len());
    request.system().len() + messages.chain(steps).chain(tools).sum::<usize>()
}

fn call_bytes(call: &ToolCall) -> usize {
    call.name.len() + call.arguments.to_string().len()
}
