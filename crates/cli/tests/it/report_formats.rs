//! What `check` and `build` print: the last line, and the formats for other programs.

use crate::command_folder::{FIRST, Folder, finish};

const REPAIRED: &str = "---\nname: second\ndescription: Helps: a lot.\n---\nYou help.\n";

/// An agent, one that is repaired, a text that is none, and one that can't be read.
fn mixed() -> Folder {
    Folder::new(&[
        ("agents/first.md", FIRST),
        ("agents/second.md", REPAIRED),
        ("agents/README.md", "# Agents\n"),
        ("agents/notes/ideas.md", "None yet.\n"),
        ("agents/open.md", "---\nname: open\n"),
    ])
}

#[test]
fn the_last_line_says_what_was_read_and_what_was_not() {
    let folder = mixed();
    let last = |arguments: &[&str], status| {
        let stderr = folder.run(arguments).expect(status).stderr;
        stderr.lines().last().unwrap().to_owned()
    };
    assert_eq!(
        last(&["check"], 1),
        "error: 2 agents read, 1 of them repaired; 2 files skipped (no frontmatter): agents/README.md, agents/notes/ideas.md; \
         1 file skipped (with errors): agents/open.md; 1 error, 1 warning, 2 notes"
    );
    let json = folder.run(&["check", "--format", "json"]).expect(1).json();
    let summary = &json["summary"];
    assert_eq!(
        (&summary["agents"], &summary["repaired"]),
        (&2.into(), &1.into())
    );
    assert_eq!(summary["skipped"][2]["path"], "agents/open.md");
    assert_eq!(summary["skipped"][2]["reason"], "with errors");
    std::fs::remove_file(folder.path("agents/open.md")).unwrap();
    let line = "warning: 2 agents read, 1 of them repaired; 2 files skipped (no frontmatter): agents/README.md, \
                agents/notes/ideas.md; 1 warning, 2 notes";
    assert_eq!(last(&["check"], 0), line);
    assert_eq!(last(&["build"], 0), line);
    assert_eq!(last(&["build"], 0), line);
    assert_eq!(last(&["build", "--check"], 0), line);
    assert_eq!(last(&["build", "--dry-run"], 0), line);
    let json = folder.run(&["build", "--format", "json"]).expect(0).json();
    assert_eq!(json["summary"]["agents"], 2);
}

#[test]
fn a_new_project_ends_with_the_same_line() {
    let folder = mixed();
    let last = |stderr: &str| stderr.lines().last().unwrap().to_owned();
    let refused = folder.run(&["new", "desk", "--from", "agents"]).expect(1);
    assert_eq!(
        last(&refused.stderr),
        "error: 2 agents read, 1 of them repaired; 2 files skipped (no frontmatter): agents/README.md, agents/notes/ideas.md; \
         1 file skipped (with errors): agents/open.md; 1 error, 1 warning, 2 notes; nothing was written"
    );
    assert!(!folder.path("desk").exists());
    std::fs::remove_file(folder.path("agents/open.md")).unwrap();
    let line = "warning: 2 agents read, 1 of them repaired; 2 files skipped (no frontmatter): agents/README.md, \
                agents/notes/ideas.md; 1 warning, 2 notes";
    let arguments = ["new", "desk", "--from", "agents"];
    let run = folder.run(&arguments).expect(0);
    assert_eq!(last(&run.stderr), line);
    assert_eq!(last(&folder.run(&["check"]).expect(0).stderr), line);
    let arguments = ["new", "json", "--from", "agents", "--format", "json"];
    let json = folder.run(&arguments).expect(0).json();
    assert_eq!(json["summary"]["repaired"], 1);
    assert_eq!(json["summary"]["skipped"][0]["path"], "agents/README.md");
    // The samples are nobody's files.
    let run = folder.run(&["new", "samples"]).expect(0);
    assert!(!run.stderr.contains("agents read"), "{}", run.stderr);
}

#[test]
fn github_commands_are_one_line_each_and_the_status_is_true() {
    let folder = mixed();
    let run = folder.run(&["check", "--format", "github"]).expect(1);
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert_eq!(lines.len(), 4, "{}", run.stdout);
    assert!(lines.contains(
        &"::error file=agents/open.md,line=1,col=1,endLine=1,endColumn=4,title=AG002::the frontmatter has no end (close it with a line `---`)"
    ), "{}", run.stdout);
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("::warning file=agents/second.md,line=3,"))
    );
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("::notice file=agents/README.md,line=1,"))
    );
    assert!(
        run.stderr.starts_with("error: 2 agents read"),
        "{}",
        run.stderr
    );
    assert_eq!(
        folder
            .run(&["build", "--format", "github"])
            .expect(1)
            .stdout,
        run.stdout
    );
    let clean = Folder::two_agents();
    assert_eq!(
        clean
            .run(&["build", "--check", "--format", "github"])
            .expect(1)
            .stdout
            .lines()
            .next(),
        Some("--- /dev/null")
    );
}

#[test]
fn a_sarif_log_has_a_rule_and_a_region_for_each_result() {
    let folder = mixed();
    folder.write(
        "agents/z é%.md",
        "---\nname: z\ndescription: é\nservice:\n  endpoints:\n    a: { path: /x }\n    b: { path: /x, stream: maybe }\n---\nHi.\n",
    );
    let log = folder.run(&["check", "--format", "sarif"]).expect(1).json();
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    assert_eq!(run["columnKind"], "unicodeCodePoints");
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), 6, "{results:#?}");
    for result in results {
        let rule = &rules[usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()];
        assert_eq!(rule["id"], result["ruleId"]);
        let help = rule["help"]["markdown"].as_str().unwrap();
        assert!(help.contains("## Fix"), "{help}");
        let place = &result["locations"][0]["physicalLocation"];
        assert!(place["region"]["startLine"].as_u64() >= Some(1), "{result}");
        assert_eq!(place["artifactLocation"]["uriBaseId"], "%SRCROOT%");
    }
    let twin = results.iter().find(|one| one["ruleId"] == "AG043").unwrap();
    let place = &twin["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "agents/z%20%C3%A9%25.md");
    assert_eq!(place["region"]["startLine"], 7);
    let other = &twin["relatedLocations"][0];
    assert_eq!(other["physicalLocation"]["region"]["startLine"], 6);
    assert_eq!(other["message"]["text"], "the other is here");
    // Settings that can't be used are told in the same form.
    folder.write("agentgen.toml", "agent = 1\n");
    let log = folder.run(&["build", "--format", "sarif"]).expect(2).json();
    assert_eq!(log["runs"][0]["results"][0]["ruleId"], "AG090");
}

#[test]
fn paths_for_other_programs_start_at_the_repository() {
    let folder = Folder::new(&[("services/books/agents/open.md", "---\nname: open\n")]);
    std::fs::create_dir(folder.path(".git")).unwrap();
    let run = folder
        .run_in("services/books", &["check", "--format", "github"])
        .expect(1);
    assert!(
        run.stdout
            .starts_with("::error file=services/books/agents/open.md,"),
        "{}",
        run.stdout
    );
    let log = folder
        .run_in("services/books", &["check", "--format", "sarif"])
        .expect(1)
        .json();
    assert_eq!(
        log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"],
        "services/books/agents/open.md"
    );
    // For people they start where the settings are.
    let run = folder.run_in("services/books", &["check"]).expect(1);
    assert!(
        run.stderr.contains("--> agents/open.md:1:1"),
        "{}",
        run.stderr
    );
}

#[test]
fn everything_is_in_colours_on_a_terminal_and_plain_elsewhere() {
    let folder = Folder::two_agents();
    for arguments in [
        &["list"][..],
        &["show", "first"],
        &["route", "answer first"],
        &["build", "--check"],
    ] {
        let plain = finish(folder.command_in("", arguments)).stdout;
        let colour = folder
            .run(&[arguments, &["--color", "always"]].concat())
            .stdout;
        assert!(!plain.contains('\u{1b}'), "{arguments:?}");
        assert!(colour.contains("\u{1b}["), "{arguments:?}");
        let mut stripped = colour;
        for code in ["0", "1", "2", "31", "32", "36"] {
            stripped = stripped.replace(&format!("\u{1b}[{code}m"), "");
        }
        assert_eq!(stripped, plain, "{arguments:?}");
    }
}
