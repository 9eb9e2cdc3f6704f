//! `agentgen serve`

use std::process::ExitCode;
use std::thread;
use std::time::Instant;

use agentgen_build::ServedDocuments;
use agentgen_runtime::{
    AgentDiagnostics, AgentLoader, LiveService, Settings, serve_live, serve_mcp,
};
use clap::Args;

use crate::serve::served_agents::{ServedAgents, count_words, load, refused};
use crate::serve::vendor_models::{choose, variable};
use crate::terminal::{Status, eprint_line};

/// Where a service listens that says nothing else.
const HOST: &str = "127.0.0.1";
const PORT: u16 = 8080;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Folder, repository, file or glob pattern of agents [default: agents, else .claude/agents]
    #[arg(value_name = "PATH")]
    paths: Vec<String>,
    /// Port to listen at [default: 8080, or the next free one]
    #[arg(long)]
    port: Option<u16>,
    /// Address to listen at; one that other machines can reach needs authentication [default: 127.0.0.1]
    #[arg(long, value_name = "ADDRESS")]
    bind: Option<String>,
    /// Model that answers for all agents, as in `anthropic:claude-sonnet-5-5`; `echo` repeats the request
    #[arg(long)]
    model: Option<String>,
    /// Serves an MCP client over standard input and output, and nobody else
    #[arg(long, conflicts_with_all = ["port", "bind"])]
    mcp: bool,
}

/// Serves the agents until SIGINT or SIGTERM. The exit status is that of a service: 2 for a wrong setting, and 1 for everything
/// else that keeps it from running.
pub fn run(arguments: &Arguments) -> Result<ExitCode, Status> {
    let mut served = ServedAgents::new(&arguments.paths).watching(&[]);
    let read = served.read()?;
    let Some(documents) = &read.documents else {
        return Err(read.status);
    };
    let started = |error| {
        refused(&error);
        Status::Usage
    };
    let settings = with_address(Settings::load().map_err(started)?, arguments);
    let choice = choose(
        &settings,
        arguments.model.as_deref(),
        &read.agents,
        variable,
    );
    let choice = choice.map_err(started)?;
    let mut loader = AgentLoader::default();
    let diagnostics = AgentDiagnostics::default();
    diagnostics.set(read.diagnostics.clone());
    let registry = load(&mut loader, documents).map_err(started)?;
    let registry = registry.diagnostics(&diagnostics);
    eprint_line(&format!("{}; model: {}", count_words(&read), choice.words));
    let reload = Reload {
        last: documents.clone(),
        stays: Vec::new(),
        served,
        loader,
        diagnostics,
        settings,
        model: arguments.model.clone(),
    };
    let watch = |live: &LiveService| {
        let live = live.clone();
        let watching = thread::Builder::new().name("reload".to_owned());
        if let Err(error) = watching.spawn(move || reload.forever(&live)) {
            eprint_line(&format!("changes are not noticed: {error}"));
        }
    };
    if arguments.mcp {
        return Ok(serve_mcp(registry, choice.settings, watch));
    }
    Ok(serve_live(registry, choice.settings, |live| {
        for path in ["/", "/docs", "/openapi.json"] {
            eprint_line(&format!("  http://{}{path}", live.address()));
        }
        watch(live);
    }))
}

/// `settings` with the address that the arguments ask for. A part that they leave out is that of the settings.
fn with_address(mut settings: Settings, arguments: &Arguments) -> Settings {
    if arguments.port.is_none() && arguments.bind.is_none() {
        return settings;
    }
    let configured = settings.address.take();
    let configured = configured
        .as_deref()
        .and_then(|address| address.rsplit_once(':'));
    let (host, port) = configured.map_or((HOST, None), |(host, port)| (host, port.parse().ok()));
    let host = arguments.bind.as_deref().unwrap_or(host);
    let host = match host.parse::<std::net::Ipv6Addr>() {
        Ok(address) => format!("[{address}]"),
        Err(_) => host.to_owned(),
    };
    let port = arguments.port.or(port).unwrap_or(PORT);
    settings.address = Some(format!("{host}:{port}"));
    settings
}

/// Serves the agents anew whenever a file changes.
struct Reload {
    served: ServedAgents,
    /// What answers.
    last: ServedDocuments,
    /// The files that have errors.
    stays: Vec<String>,
    loader: AgentLoader,
    /// What the console shows of the files.
    diagnostics: AgentDiagnostics,
    settings: Settings,
    model: Option<String>,
}

impl Reload {
    fn forever(mut self, live: &LiveService) {
        loop {
            self.served.wait();
            let began = Instant::now();
            match self.reload(live) {
                Reloaded::Replaced(words) => {
                    let ms = began.elapsed().as_millis();
                    eprint_line(&format!("reloaded {words} in {ms} ms"));
                }
                Reloaded::Refused => eprint_line("the agents stay as they were"),
                Reloaded::Same => {}
            }
        }
    }

    /// Reads the agents, and has them answer. What was served stays where there is an error, which is reported.
    fn reload(&mut self, live: &LiveService) -> Reloaded {
        let Ok(read) = self.served.read() else {
            return Reloaded::Refused;
        };
        self.diagnostics.set(read.diagnostics.clone());
        let Some(documents) = &read.documents else {
            return Reloaded::Refused;
        };
        let mut words = count_words(&read);
        if !read.stay.is_empty() {
            words.push_str(&format!("; {} as before", read.stay.join(", ")));
        }
        let stays = std::mem::replace(&mut self.stays, read.stay);
        if *documents == self.last {
            return match (self.stays.is_empty(), stays == self.stays) {
                (true, true) => Reloaded::Same,
                (true, false) => Reloaded::Replaced(words),
                (false, _) => Reloaded::Refused,
            };
        }
        let model = self.model.as_deref();
        let replaced = choose(&self.settings, model, &read.agents, variable)
            .and_then(|choice| Ok((load(&mut self.loader, documents)?, choice.settings)))
            .map(|(registry, settings)| (registry.diagnostics(&self.diagnostics), settings))
            .and_then(|(registry, settings)| live.replace(registry, &settings));
        match replaced {
            Ok(()) => {
                self.last.clone_from(documents);
                Reloaded::Replaced(words)
            }
            Err(error) => {
                refused(&error);
                Reloaded::Refused
            }
        }
    }
}

/// What came of a change.
enum Reloaded {
    /// What answers now, in words.
    Replaced(String),
    /// The agents stay as they were.
    Refused,
    /// The change was none of the agents.
    Same,
}
