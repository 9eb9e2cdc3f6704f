//! The examples in README and the book. Agents pass `agentgen check`; settings are accepted (those of a service in the
//! runtime's tests); Rust compiles as a module of a project of `agentgen new`; links have a target.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command_folder::{FIRST, Folder};

/// A fenced block of code.
struct Block {
    /// Its page, relative to the repository, and the line of its fence.
    place: String,
    /// The info string after the three backticks, such as `rust,ignore`.
    info: String,
    /// The last line of text before it, which names the file of a TOML block.
    lead: String,
    text: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// README and every page of the book, by their paths relative to the repository.
fn pages() -> Vec<(String, String)> {
    let folder = root().join("docs/src");
    let mut names = vec!["README.md".to_owned()];
    for entry in fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        names.push(format!("docs/src/{name}"));
    }
    names.sort();
    let read = |name: String| {
        let text = fs::read_to_string(root().join(&name)).unwrap();
        // What is generated has tests of its own (`explain`, `templates_page`).
        let (text, _) = text
            .split_once(": generated below -->")
            .unwrap_or((&text, ""));
        (name, text.to_owned())
    };
    names.into_iter().map(read).collect()
}

fn blocks(page: &str, text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lead = "";
    let mut open: Option<Block> = None;
    for (index, line) in text.lines().enumerate() {
        if let Some(mut block) = open.take() {
            if line == "```" {
                blocks.push(block);
            } else {
                block.text.push_str(line);
                block.text.push('\n');
                open = Some(block);
            }
        } else if let Some(info) = line.strip_prefix("```") {
            open = Some(Block {
                place: format!("{page}:{}", index + 1),
                info: info.to_owned(),
                lead: lead.to_owned(),
                text: String::new(),
            });
        } else if !line.trim().is_empty() {
            lead = line;
        }
    }
    assert!(open.is_none(), "{page}: a block of code has no end");
    blocks
}

fn all_blocks(info: &str) -> Vec<Block> {
    let pages = pages();
    let blocks = pages.iter().flat_map(|(page, text)| blocks(page, text));
    let blocks: Vec<_> = blocks.filter(|block| block.info == info).collect();
    assert!(!blocks.is_empty(), "there is no block of {info}");
    blocks
}

/// A folder `desk` with the agents of a new project.
fn desk() -> Folder {
    let folder = Folder::new(&[]);
    folder.run(&["new", "desk"]).expect(0);
    folder
}

#[test]
fn agents_pass_check_without_a_warning() {
    let folder = desk();
    let samples = folder.names("desk/agents");
    let service = all_blocks("yaml").into_iter().map(|block| {
        assert!(block.text.starts_with("service:\n"), "{}", block.place);
        let text = format!(
            "---\nname: subject\ndescription: Is an example.\n{}---\nYou are an example.\n",
            block.text
        );
        (block.place, text)
    });
    let files = all_blocks("markdown");
    let files = files.into_iter().map(|block| (block.place, block.text));
    for (place, text) in files.chain(service) {
        let name = text.lines().find_map(|line| line.strip_prefix("name: "));
        let path = format!("{}.md", name.expect("an agent has a name"));
        let sample = samples.contains(&path).then(|| {
            let sample = folder.path(&format!("desk/agents/{path}"));
            fs::read_to_string(sample).unwrap()
        });
        folder.write(&format!("desk/agents/{path}"), &text);
        let run = folder.run_in("desk", &["check"]);
        assert!(
            run.status == 0 && !run.stderr.contains("warning["),
            "{place}:\n{}",
            run.stderr
        );
        let agent = folder.path(&format!("desk/agents/{path}"));
        match sample {
            Some(sample) => fs::write(agent, sample).unwrap(),
            None => fs::remove_file(agent).unwrap(),
        }
    }
}

#[test]
fn the_agent_of_the_readme_is_the_one_that_new_writes() {
    let folder = desk();
    let sample = fs::read_to_string(folder.path("desk/agents/librarian.md")).unwrap();
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let block = format!("```markdown\n{sample}```\n");
    assert!(readme.contains(&block), "README.md shows another librarian");
}

#[test]
fn settings_are_named_and_accepted() {
    for block in all_blocks("toml") {
        let place = &block.place;
        toml::from_str::<toml::Table>(&block.text)
            .unwrap_or_else(|error| panic!("{place}: {error}"));
        if block.lead.contains("`agentgen.toml`") {
            let folder = Folder::new(&[
                (".claude/agents/first.md", FIRST),
                ("desk/agents/first.md", FIRST),
                ("desk/agentgen.toml", &block.text),
            ]);
            let run = folder.run_in("desk", &["check"]);
            assert_eq!(run.status, 0, "{place}:\n{}", run.stderr);
        } else {
            let is_named = |file: &&str| block.lead.contains(&format!("`{file}`"));
            assert!(
                ["Cargo.toml", "service.toml"].iter().any(is_named),
                "{place}: the line before the block names its file"
            );
        }
    }
}

/// All blocks are modules of one project. It shares its target directory with the generated crate in the tests of
/// agentgen-build, so that the dependencies are built once.
#[test]
fn rust_compiles_in_a_new_project() {
    let folder = desk();
    let project = folder.path("desk");
    folder.run_in("desk", &["build"]).expect(0);
    let mut manifest: toml::Table =
        toml::from_str(&fs::read_to_string(project.join("Cargo.toml")).unwrap()).unwrap();
    for section in ["build-dependencies", "dev-dependencies"] {
        manifest.remove(section).expect(section);
    }
    let dependencies = manifest["dependencies"].as_table_mut().unwrap();
    dependencies.remove("mimalloc").expect("mimalloc");
    folder.write("desk/Cargo.toml", &manifest.to_string());
    for unused in ["build.rs", "src/main.rs", "tests"] {
        let path = project.join(unused);
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
    }
    let library = fs::read_to_string(project.join("src/lib.rs")).unwrap();
    let mut library = library.replace("include_agents!()", "include_agents!(\"../generated\")");
    let mut places = String::new();
    for (index, block) in all_blocks("rust").iter().enumerate() {
        folder.write(&format!("desk/src/block_{index}.rs"), &block.text);
        library.push_str(&format!("pub mod block_{index};\n"));
        places.push_str(&format!("block_{index}.rs is {}\n", block.place));
    }
    folder.write("desk/src/lib.rs", &library);
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../generated-crate");
    let output = Command::new(env!("CARGO"))
        .args(["check", "--quiet"])
        .current_dir(project)
        .env("CARGO_TARGET_DIR", target)
        .env("CARGO_NET_OFFLINE", "true")
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{places}{errors}");
}

/// `rust,ignore` is for code that cannot be a module of a project; its first line says why.
#[test]
fn what_does_not_compile_says_why() {
    for block in all_blocks("rust,ignore") {
        assert!(block.text.starts_with("// "), "{}", block.place);
    }
}

/// `conformance/clients/run` compiles and runs the programs that the page shows parts of.
#[test]
fn the_page_about_clients_shows_programs_that_are_run() {
    let folder = root().join("conformance/clients");
    let mut programs = vec![folder.join("progenitor/src/main.rs")];
    let callers = fs::read_dir(folder.join("callers")).unwrap();
    programs.extend(callers.map(|entry| entry.unwrap().path()));
    let programs: Vec<String> = programs
        .iter()
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let blocks = ["ts", "python", "rust,ignore"].map(all_blocks);
    let blocks = blocks.iter().flatten();
    let shown: Vec<_> = blocks
        .filter(|block| block.place.starts_with("docs/src/clients.md:"))
        .collect();
    assert_eq!(shown.len(), 4);
    for block in shown {
        let is_run = programs.iter().any(|program| program.contains(&block.text));
        assert!(is_run, "{}: no program has this text", block.place);
    }
}

#[test]
fn links_between_pages_have_a_target() {
    let pages = pages();
    for (page, text) in &pages {
        let folder = root().join(page);
        let folder = folder.parent().unwrap();
        for link in text.split("](").skip(1) {
            let link = link.split(')').next().unwrap();
            if link.starts_with("https://") {
                continue;
            }
            let (path, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = folder.join(path);
            assert!(target.exists(), "{page}: {link}");
            if !heading.is_empty() {
                let target = fs::read_to_string(target).unwrap();
                let headings = target.lines().filter_map(|line| line.strip_prefix("## "));
                let slug = |line: &str| line.to_lowercase().replace(' ', "-");
                let found = headings.map(slug).any(|slug| slug == heading);
                assert!(found, "{page}: {link}");
            }
        }
    }
    let summary = fs::read_to_string(root().join("docs/src/SUMMARY.md")).unwrap();
    for (page, _) in &pages {
        if let Some(name) = page.strip_prefix("docs/src/") {
            let listed = name == "SUMMARY.md" || summary.contains(&format!("({name})"));
            assert!(listed, "{page} is not in SUMMARY.md");
        }
    }
}

#[test]
fn the_readme_is_short() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.lines().count() <= 200);
}

/// The names of all properties in a JSON Schema.
fn properties(schema: &serde_json::Value, names: &mut Vec<String>) {
    if let Some(properties) = schema["properties"].as_object() {
        names.extend(properties.keys().cloned());
    }
    let parts: Vec<_> = match schema {
        serde_json::Value::Object(parts) => parts.values().collect(),
        serde_json::Value::Array(parts) => parts.iter().collect(),
        _ => Vec::new(),
    };
    for part in parts {
        properties(part, names);
    }
}

#[test]
fn every_key_of_the_service_block_is_documented() {
    let schema = Folder::new(&[]).run(&["schema", "service"]).expect(0);
    let mut names = Vec::new();
    properties(&serde_json::from_str(&schema.stdout).unwrap(), &mut names);
    assert!(names.len() > 50, "{names:?}");
    let book: String = pages().into_iter().map(|(_, text)| text).collect();
    for name in names {
        assert!(
            book.contains(&format!("`{name}`")) || book.contains(&format!("{name}:")),
            "{name}"
        );
    }
}

#[test]
fn every_metric_is_documented() {
    let operations = fs::read_to_string(root().join("docs/src/operations.md")).unwrap();
    let telemetry = fs::read_dir(root().join("crates/runtime/src/telemetry")).unwrap();
    let mut metrics = 0;
    for file in telemetry {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        for name in text.split("\"agentgen_").skip(1) {
            let name = name.split('"').next().unwrap();
            assert!(operations.contains(&format!("`agentgen_{name}`")), "{name}");
            metrics += 1;
        }
    }
    assert!(metrics >= 20, "{metrics} metrics");
}

/// Every block that shows `agentgen check` or `agentgen list`, against what they print for the agents it is about.
#[test]
fn what_commands_print_is_what_the_pages_show() {
    let readme = desk();
    let sample = fs::read_to_string(readme.path("desk/agents/librarian.md")).unwrap();
    let broken = sample.replace("limit?: integer,", "limit?: int,");
    assert_ne!(sample, broken);
    readme.write("desk/agents/librarian.md", &broken);
    let found = Folder::new(&[
        (
            "desk/.claude/agents/code-reviewer.md",
            "---\nname: code-reviewer\n\
             description: Use this agent after a change: it reads the diff and lists what must be fixed.\n\
             tools: Read, Grep, Bash\n---\nYou review code.\n",
        ),
        (
            "desk/.claude/agents/release-notes.md",
            "---\nname: release-notes\ndescription: Writes release notes.\n---\nYou write release notes.\n",
        ),
    ]);
    let from = ["new", "review", "--from", ".claude/agents"];
    found.run_in("desk", &from).expect(0);
    let mut shown = 0;
    for block in all_blocks("console") {
        let (command, expected) = block.text.split_once('\n').unwrap();
        let Some(arguments) = command.strip_prefix("$ agentgen ") else {
            continue;
        };
        let folder = match block.place.split(':').next().unwrap() {
            "README.md" | "docs/src/diagnostics.md" => &readme,
            "docs/src/from-agents.md" => &found,
            page => panic!("{page}: which agents is `{command}` about?"),
        };
        let place = match arguments {
            "list" => "desk/review",
            _ => "desk",
        };
        let run = folder.run_in(place, &[arguments]);
        // Another command may follow in the same block.
        let printed = format!("{}{}", run.stdout, run.stderr);
        let end = expected.find("$ ").unwrap_or(expected.len());
        assert_eq!(printed, expected[..end], "{}", block.place);
        shown += 1;
    }
    assert_eq!(shown, 4);
}
