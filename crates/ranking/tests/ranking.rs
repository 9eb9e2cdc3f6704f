//! Which agent a request is for: the ranking, and how often it is right.
//!
//! The examples in the descriptions are the test set. Each is asked with what its user says, while the index is
//! without it: the first examples of all agents are left out and asked together, then the second ones, and so on.
//! `AGENTGEN_CORPUS` and `AGENTGEN_SEEDS` name more agents, as for the test `corpus`.

#![allow(clippy::unwrap_used, reason = "a test may fail")]
#![allow(clippy::print_stderr, reason = "a test says what it measured")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use agentgen_build::Source;
use agentgen_build::inspect::{Report, Spec, read_spec, sha256_hex};
use agentgen_ranking::{Document, Ranking};

/// With fewer agents, one of them is among the first three anyhow.
const SMALLEST_TEAM: usize = 4;

/// The agents in a folder, by slug; of those that share one, the first.
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

/// The ranking of `agents`, without the example of that number of each.
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

/// How often the agent whose an example is was at the first place, and among the first three.
#[derive(Default)]
struct Found {
    asked: usize,
    first: usize,
    three: usize,
}

impl Found {
    fn count(&mut self, place: Option<usize>) {
        self.asked += 1;
        self.first += usize::from(place == Some(0));
        self.three += usize::from(place.is_some_and(|place| place < 3));
    }

    /// Both in hundredths of what was asked.
    fn rates(&self) -> (usize, usize) {
        let asked = self.asked.max(1);
        (100 * self.first / asked, 100 * self.three / asked)
    }

    #[track_caller]
    fn expect(&self, first_at_least: usize, three_at_least: usize) {
        assert!(self.asked > 0, "the agents have no examples");
        let (first, three) = self.rates();
        assert!(first >= first_at_least, "top-1 is {first} %");
        assert!(three >= three_at_least, "top-3 is {three} %");
    }

    fn tell(&self, who: &str) {
        let (first, three) = self.rates();
        eprintln!(
            "{who}, {} examples: top-1 {} ({first} %), top-3 {} ({three} %)",
            self.asked, self.first, self.three
        );
    }
}

/// The half of the agents that one is in: the first half is what the ranking's numbers are chosen on, and the second one
/// what they are judged by. Which it is, a hash of its name decides.
fn half(agent: &Spec) -> usize {
    let digest = sha256_hex(agent.slug.as_str().as_bytes());
    usize::from_str_radix(&digest[..2], 16).unwrap() % 2
}

/// Asks every example of `agents`, and says at which place its own agent came, if it came at all.
fn ask(agents: &[Spec], mut found: impl FnMut(&Spec, Option<usize>)) {
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

/// Asks every example of the agents in `folder`, and wants at least so many hundredths of them to lead to the agent
/// whose they are: at the first place, and among the first three.
#[track_caller]
fn measure(folder: &Path, first_at_least: usize, three_at_least: usize) {
    let agents = agents(folder);
    let (mut all, mut halves) = (Found::default(), [Found::default(), Found::default()]);
    ask(&agents, |agent, place| {
        all.count(place);
        halves[half(agent)].count(place);
    });
    all.tell(&format!("{} agents", agents.len()));
    let [chosen_on, held_out] = halves;
    chosen_on.tell("  the half that numbers are chosen on");
    held_out.tell("  the other half");
    all.expect(first_at_least, three_at_least);
}

fn elsewhere(variable: &str) -> Option<PathBuf> {
    let folder = std::env::var_os(variable).map(PathBuf::from);
    if folder.is_none() {
        assert!(std::env::var_os("CI").is_none(), "{variable} is not set");
        eprintln!("not run: {variable} is not set");
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
    if let Some(seeds) = elsewhere("AGENTGEN_SEEDS") {
        measure(&seeds, 54, 90);
    }
}

#[test]
fn examples_of_the_corpus_are_found() {
    if let Some(corpus) = elsewhere("AGENTGEN_CORPUS") {
        measure(&corpus.join("../../agents"), 59, 77);
    }
}

/// What the services are that the corpus was taken from: no agent is asked beside those of other repositories.
#[test]
fn examples_are_found_within_each_repository() {
    let Some(corpus) = elsewhere("AGENTGEN_CORPUS") else {
        return;
    };
    let (mut all, mut teams) = (Found::default(), 0);
    for repository in fs::read_dir(corpus.join("../../agents")).unwrap() {
        let agents = agents(&repository.unwrap().path());
        let examples = agents.iter().flat_map(|agent| &agent.examples);
        if agents.len() >= SMALLEST_TEAM && examples.count() > 0 {
            teams += 1;
            ask(&agents, |_, place| all.count(place));
        }
    }
    all.tell(&format!("{teams} repositories, each for itself"));
    all.expect(68, 88);
}

#[test]
fn scripts_without_spaces_are_ranked() {
    for (texts, asked) in [
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
        let ranked = Ranking::new(&agents.collect::<Vec<_>>()).rank(asked);
        let slugs: Vec<&str> = ranked.iter().map(|ranked| &*ranked.slug).collect();
        assert_eq!(slugs, ["keeper"], "{asked}");
    }
}
