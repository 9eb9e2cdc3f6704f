//! The accuracy of the ranking of agents for a request.
//!
//! The examples in the descriptions are the test set. The query is the user's text of an example, which the index leaves
//! out: first without the first example of each agent, then without the second, and so on.
//! `AGENTGEN_CORPUS` and `AGENTGEN_SEEDS` give the paths of more agents.

#![allow(clippy::unwrap_used, reason = "a test may fail")]
#![allow(clippy::print_stderr, reason = "a test says what it measured")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use agentgen_build::Source;
use agentgen_build::inspect::{Report, Spec, read_spec, sha256_hex};
use agentgen_ranking::{Document, Ranking};

/// With fewer agents, a top-3 rate would say little.
const SMALLEST_TEAM: usize = 4;

/// The agents in a folder, ordered by slug. The first of several with the same slug is used.
fn agents(folder: &Path) -> Vec<Spec> {
    let mut files = Vec::new();
    markdown(folder, &mut files);
    files.sort();
    let mut agents = BTreeMap::new();
    for file in files {
        let path = file.display().to_string();
        let Ok(source) = Source::from_bytes(&path, fs::read(&file).unwrap()) else {
            continue;
        };
        if let Some(spec) = read_spec(&mut Report::new(&source), false) {
            agents.entry(spec.slug.clone()).or_insert(spec);
        }
    }
    agents.into_values().collect()
}

fn markdown(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            markdown(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            files.push(path);
        }
    }
}

/// The ranking of `agents`, each without its example number `without`.
fn ranking(agents: &[Spec], without: usize) -> Ranking {
    let examples: Vec<String> = agents
        .iter()
        .map(|agent| {
            let examples = (0..).zip(&agent.examples);
            let examples = examples.filter(|(number, _)| *number != without);
            let examples = examples.map(|(_, example)| example.situation());
            examples.collect::<Vec<_>>().join("\n")
        })
        .collect();
    let documents = agents
        .iter()
        .zip(&examples)
        .map(|(agent, examples)| Document {
            name: &agent.name,
            slug: agent.slug.as_str(),
            summary: &agent.summary,
            examples,
            prompt: agent.prompt(),
        });
    Ranking::new(&documents.collect::<Vec<_>>())
}

/// Counts how often the agent of an example was ranked first and among the first three.
#[derive(Default)]
struct Accuracy {
    queries: usize,
    first: usize,
    top_three: usize,
}

impl Accuracy {
    fn count(&mut self, position: Option<usize>) {
        self.queries += 1;
        self.first += usize::from(position == Some(0));
        self.top_three += usize::from(position.is_some_and(|position| position < 3));
    }

    /// Both rates in percent.
    fn rates(&self) -> (usize, usize) {
        let queries = self.queries.max(1);
        (100 * self.first / queries, 100 * self.top_three / queries)
    }

    #[track_caller]
    fn expect(&self, first_at_least: usize, three_at_least: usize) {
        assert!(self.queries > 0, "the agents have no examples");
        let (first, top_three) = self.rates();
        assert!(first >= first_at_least, "top-1 is {first} %");
        assert!(top_three >= three_at_least, "top-3 is {top_three} %");
    }

    fn print(&self, who: &str) {
        let (first, top_three) = self.rates();
        eprintln!(
            "{who}, {} examples: top-1 {} ({first} %), top-3 {} ({top_three} %)",
            self.queries, self.first, self.top_three
        );
    }
}

/// The half of the agents to which `agent` belongs, by a hash of its slug. The weights of the ranking were tuned on half 0
/// and are evaluated on half 1.
fn half(agent: &Spec) -> usize {
    let digest = sha256_hex(agent.slug.as_str().as_bytes());
    usize::from_str_radix(&digest[..2], 16).unwrap() % 2
}

/// Ranks every example of `agents` and passes the position of its own agent, if any, to `found`.
fn rank_examples(agents: &[Spec], mut found: impl FnMut(&Spec, Option<usize>)) {
    let most = agents.iter().map(|agent| agent.examples.len()).max();
    for number in 0..most.unwrap_or(0) {
        let ranking = ranking(agents, number);
        for agent in agents {
            let example = agent.examples.get(number);
            let Some(text) = example.and_then(|example| example.user.as_ref()) else {
                continue;
            };
            let ranked = ranking.rank(text);
            let mut slugs = ranked.iter().map(|ranked| &ranked.slug);
            found(agent, slugs.position(|slug| slug == agent.slug.as_str()));
        }
    }
}

/// Ranks every example of the agents in `folder` and checks the minimum top-1 and top-3 rates, in percent.
#[track_caller]
fn measure(folder: &Path, first_at_least: usize, three_at_least: usize) {
    let agents = agents(folder);
    let (mut all, mut halves) = (
        Accuracy::default(),
        [Accuracy::default(), Accuracy::default()],
    );
    rank_examples(&agents, |agent, position| {
        all.count(position);
        halves[half(agent)].count(position);
    });
    all.print(&format!("{} agents", agents.len()));
    let [tuning, evaluation] = halves;
    tuning.print("  the tuning half");
    evaluation.print("  the evaluation half");
    all.expect(first_at_least, three_at_least);
}

fn optional_folder(variable: &str) -> Option<PathBuf> {
    let folder = std::env::var_os(variable).map(PathBuf::from);
    if folder.is_none() {
        assert!(std::env::var_os("CI").is_none(), "{variable} is not set");
        eprintln!("skipped: {variable} is not set");
    }
    folder
}

#[test]
fn examples_of_the_repository_agents_are_found() {
    measure(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("../../agents"),
        22,
        56,
    );
}

#[test]
fn examples_of_the_seeds_are_found() {
    if let Some(seeds) = optional_folder("AGENTGEN_SEEDS") {
        measure(&seeds, 54, 90);
    }
}

#[test]
fn examples_of_the_corpus_are_found() {
    if let Some(corpus) = optional_folder("AGENTGEN_CORPUS") {
        measure(&corpus.join("agents"), 59, 77);
    }
}

/// Each repository of the corpus is ranked separately, as a service would.
#[test]
fn examples_are_found_within_each_repository() {
    let Some(corpus) = optional_folder("AGENTGEN_CORPUS") else {
        return;
    };
    let (mut all, mut teams) = (Accuracy::default(), 0);
    for repository in fs::read_dir(corpus.join("agents")).unwrap() {
        let agents = agents(&repository.unwrap().path());
        let examples = agents.iter().flat_map(|agent| &agent.examples);
        if agents.len() >= SMALLEST_TEAM && examples.count() > 0 {
            teams += 1;
            rank_examples(&agents, |_, position| all.count(position));
        }
    }
    all.print(&format!("{teams} repositories, ranked separately"));
    all.expect(68, 88);
}

#[test]
fn scripts_without_spaces_are_ranked() {
    for (texts, queries) in [
        (
            ["负责数据库迁移和备份。", "负责网页界面和样式。"],
            "怎么备份数据库？",
        ),
        (
            ["データベースを移行します。", "画面を設計します。"],
            "Postgresのデータベースが遅い",
        ),
        (
            ["데이터베이스를 옮깁니다.", "화면을 만듭니다."],
            "데이터베이스가 느려요",
        ),
        (["ย้ายฐานข้อมูล", "ออกแบบหน้าจอ"], "สำรองฐานข้อมูลอย่างไร"),
    ] {
        let agents = ["keeper", "painter"].iter().zip(texts);
        let agents = agents.map(|(slug, text)| Document {
            name: slug,
            slug,
            summary: text,
            examples: "",
            prompt: "",
        });
        let ranked = Ranking::new(&agents.collect::<Vec<_>>()).rank(queries);
        let slugs: Vec<&str> = ranked.iter().map(|ranked| &*ranked.slug).collect();
        assert_eq!(slugs, ["keeper"], "{queries}");
    }
}
