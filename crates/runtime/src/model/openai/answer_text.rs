//! The text of an answer, without the thoughts that a model marks with tags in it, and the calls that it writes into it.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::Value;

use crate::client::lenient_json::TextJoiner;
use crate::model::Chunk;
use crate::model::openai::thinking_tags::{Piece, ThinkingTags};
use crate::model::openai::written_calls::{Part, WrittenCalls};
use crate::model::request_adaptation::ModelMemory;

/// Turns pieces of text into chunks.
#[derive(Debug)]
pub(crate) struct AnswerText {
    joiner: TextJoiner,
    thinking: ThinkingTags,
    written: WrittenCalls,
    calls: Vec<Value>,
    /// Whether the answer has a text that is more than space.
    has_text: bool,
    memory: Arc<ModelMemory>,
}

impl AnswerText {
    /// Of a model that `memory` is about. `callable`: the names of the tools that it may call in its text.
    pub(crate) fn new(memory: Arc<ModelMemory>, callable: Vec<String>) -> Self {
        Self {
            joiner: TextJoiner::default(),
            thinking: ThinkingTags::new(memory.closes_thoughts_only()),
            written: WrittenCalls::new(callable),
            calls: Vec::new(),
            has_text: false,
            memory,
        }
    }

    /// Adds the next piece.
    pub(crate) fn add(&mut self, text: &str, chunks: &mut VecDeque<Chunk>) {
        let text = self.joiner.add(text);
        let pieces = self.thinking.add(&text);
        self.push_pieces(pieces, chunks);
    }

    /// Adds what waited for more.
    pub(crate) fn end(&mut self, chunks: &mut VecDeque<Chunk>) {
        let rest = self.joiner.end();
        let mut pieces = self.thinking.add(&rest);
        pieces.extend(self.thinking.end());
        self.push_pieces(pieces, chunks);
        let parts = self.written.end();
        self.push_parts(parts, chunks);
        if self.thinking.found_lone_close() {
            self.memory.set_closes_thoughts_only();
        }
    }

    /// Whether the answer has a text that is more than space.
    pub(crate) const fn is_filled(&self) -> bool {
        self.has_text
    }

    /// The calls in the text, as they would stand in `tool_calls`.
    pub(crate) fn take_calls(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.calls)
    }

    fn push_pieces(&mut self, pieces: Vec<Piece>, chunks: &mut VecDeque<Chunk>) {
        for piece in pieces {
            match piece {
                Piece::Text(text) => {
                    let parts = self.written.add(&text);
                    self.push_parts(parts, chunks);
                }
                Piece::Thought(thought) => chunks.push_back(Chunk::Reasoning(thought)),
                Piece::TextWasThought => {
                    // A call in thoughts is none.
                    self.calls.clear();
                    let held = self.written.take_held();
                    chunks.extend((!held.is_empty()).then_some(Chunk::Reasoning(held)));
                    self.has_text = false;
                    chunks.push_back(Chunk::TextWasReasoning);
                }
            }
        }
    }

    fn push_parts(&mut self, parts: Vec<Part>, chunks: &mut VecDeque<Chunk>) {
        for part in parts {
            match part {
                Part::Text(text) => {
                    self.has_text |= !text.trim().is_empty();
                    chunks.push_back(Chunk::Text(text));
                }
                Part::Call(call) => self.calls.push(call),
            }
        }
    }
}
