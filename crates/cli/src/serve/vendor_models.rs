//! Which models answer for agents that are served without a `service.toml` that says so.

use std::collections::BTreeMap;

use agentgen_build::Agent;
use agentgen_runtime::{Settings, StartError};

/// The word for no model.
const ECHO: &str = "echo";
/// The name under which settings have the model of agents that name none.
const DEFAULT: &str = "default";

/// A vendor whose key in the environment is enough.
struct Vendor {
    name: &'static str,
    key: &'static str,
    /// What Claude Code's names of models stand for; the first is for agents that name none, and for any other name.
    aliases: [(&'static str, &'static str); 6],
}

/// The first one whose key is set is taken. The models are those of November 2026; vendors shut theirs down after a year or two.
const VENDORS: [Vendor; 2] = [
    Vendor {
        name: "Anthropic",
        key: "ANTHROPIC_API_KEY",
        aliases: [
            ("sonnet", "anthropic:claude-sonnet-5-5"),
            ("haiku", "anthropic:claude-haiku-5-5"),
            ("opus", "anthropic:claude-opus-5-5"),
            ("fable", "anthropic:claude-fable-5-1"),
            ("best", "anthropic:claude-fable-5-1"),
            ("opusplan", "anthropic:claude-opus-5-5"),
        ],
    },
    Vendor {
        name: "OpenAI",
        key: "OPENAI_API_KEY",
        // Its models call tools at the Responses API alone.
        aliases: [
            ("sonnet", "openai-responses:gpt-6.1-terra"),
            ("haiku", "openai-responses:gpt-6-luna"),
            ("opus", "openai-responses:gpt-6.1-sol"),
            ("fable", "openai-responses:gpt-6.1-sol"),
            ("best", "openai-responses:gpt-6.1-sol"),
            ("opusplan", "openai-responses:gpt-6.1-sol"),
        ],
    },
];

/// Settings with models, and who answers then, in words.
pub struct ModelChoice {
    pub settings: Settings,
    pub words: String,
}

/// The models for `agents`: `model` for all of them if there is one, else those of `settings`, else those of a vendor whose
/// key `get` finds in the environment, else none.
///
/// # Errors
///
/// A key that can't be read.
pub fn choose(
    settings: &Settings,
    model: Option<&str>,
    agents: &[Agent],
    get: impl Fn(&str) -> Option<String>,
) -> Result<ModelChoice, StartError> {
    let settings = settings.clone();
    match model {
        Some(ECHO) => Ok(ModelChoice {
            settings: Settings {
                models: BTreeMap::new(),
                providers: BTreeMap::new(),
                ..settings
            },
            words: "`echo`, which is no model, as `--model` says".to_owned(),
        }),
        Some(model) => {
            let mut models = settings.models.clone();
            let all = names(agents).map(|name| (name, model.to_owned()));
            models.extend(all.collect::<Vec<_>>());
            Ok(ModelChoice {
                settings: settings.with_models(models)?,
                words: format!("{model}, as `--model` says"),
            })
        }
        None if !settings.models.is_empty() || !settings.providers.is_empty() => {
            let default = settings.models.get(DEFAULT);
            let words = match default {
                Some(default) => format!("{default} for agents that name no other"),
                None => "those that agents name".to_owned(),
            };
            Ok(ModelChoice {
                words: format!("{words}, as the settings say"),
                settings,
            })
        }
        None => {
            let is_set =
                |vendor: &&Vendor| get(vendor.key).is_some_and(|key| !key.trim().is_empty());
            match VENDORS.iter().find(is_set) {
                Some(vendor) => Ok(ModelChoice {
                    settings: settings.with_models(models_of(vendor, agents))?,
                    words: format!(
                        "{}, since {} is set: {} unless an agent names another (`--model echo` asks no model)",
                        vendor.name, vendor.key, vendor.aliases[0].1
                    ),
                }),
                None => Ok(ModelChoice {
                    settings,
                    words: "`echo`, which is no model: set ANTHROPIC_API_KEY or OPENAI_API_KEY, or [models] in service.toml"
                        .to_owned(),
                }),
            }
        }
    }
}

/// The environment variable `name`.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The names of models in `agents`, and the default.
fn names(agents: &[Agent]) -> impl Iterator<Item = String> {
    let named = agents.iter().flat_map(|agent| {
        let fallbacks = agent.service.policy.fallbacks.iter();
        let fallbacks = fallbacks.map(|name| name.text.clone());
        agent
            .model()
            .map(str::to_owned)
            .into_iter()
            .chain(fallbacks)
    });
    std::iter::once(DEFAULT.to_owned()).chain(named)
}

fn models_of(vendor: &Vendor, agents: &[Agent]) -> BTreeMap<String, String> {
    let usual = vendor.aliases[0].1;
    let own_prefix = usual.split_once(':').map_or(usual, |(prefix, _)| prefix);
    let mut models = BTreeMap::new();
    for name in names(agents) {
        let alias = vendor.aliases.iter().find(|(alias, _)| *alias == name);
        let model = match alias {
            Some((_, model)) => (*model).to_owned(),
            // The vendor's own models are asked under their own names.
            None if own_prefix == "anthropic" && name.starts_with("claude-") => {
                format!("{own_prefix}:{name}")
            }
            None if own_prefix == "openai-responses" && name.starts_with("gpt-") => {
                format!("{own_prefix}:{name}")
            }
            None => usual.to_owned(),
        };
        models.insert(name, model);
    }
    models
}
