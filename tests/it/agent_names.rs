//! What agents are called in files, routes and code.

use agentgen_build::{Code, Config, Generation, Project, Severity, Source, generate};

fn build(files: &[(&str, &str)]) -> Generation {
    let sources = files.iter().map(|(path, name)| {
        let text = format!("---\nname: {name:?}\ndescription: Does one thing.\n---\nDo it.\n");
        Source::from_bytes(path, text.into_bytes()).unwrap()
    });
    generate(&Project {
        config: Config {
            agents: vec!["agents".to_owned()],
            ..Config::default()
        },
        sources: sources.collect(),
        ..Project::default()
    })
}

/// The slugs by the order of the files, and all diagnostics.
fn slugs(generation: &Generation) -> Vec<(&str, &str)> {
    let agents = generation.agents.iter();
    let mut slugs: Vec<_> = agents
        .map(|agent| (agent.spec.source.path(), agent.spec.slug.as_str()))
        .collect();
    slugs.sort_unstable();
    slugs
}

fn lines(generation: &Generation) -> Vec<String> {
    let lines = generation.diagnostics.iter().map(ToString::to_string);
    lines.collect()
}

#[test]
fn accents_are_folded_and_symbols_spelled_out_without_a_word() {
    let cases = [
        ("développeur", "developpeur"),
        ("Développeur sénior", "developpeur-senior"),
        ("Ärztin", "arztin"),
        ("Straßenprüfer", "strassenprufer"),
        ("Łukasz Søren", "lukasz-soren"),
        ("Œuvre d'art", "oeuvre-dart"),
        ("C++ Expert", "c-plus-plus-expert"),
        ("C# Expert", "c-sharp-expert"),
        ("F#", "f-sharp"),
        ("Notepad++", "notepad-plus-plus"),
        ("A+", "a-plus"),
        (".NET Pro", "dot-net-pro"),
        ("Node.js", "node-js"),
        ("R&D Lead", "r-and-d-lead"),
        ("Agent #7", "agent-number-7"),
        ("ＦＵＬＬ ｗｉｄｔｈ", "full-width"),
        ("already-a-slug", "already-a-slug"),
    ];
    for (name, slug) in cases {
        let generation = build(&[("agents/file.md", name)]);
        assert_eq!(slugs(&generation), [("agents/file.md", slug)], "{name}");
        assert_eq!(lines(&generation), [""; 0], "{name}");
    }
}

#[test]
fn a_name_that_would_lose_letters_leaves_the_files_name() {
    for name in [
        "AI設計者",
        "編集者",
        "Редактор",
        "Unity プログラマー",
        "Größe 测试",
        "½",
    ] {
        let generation = build(&[("agents/Ai Designer.md", name)]);
        assert_eq!(
            slugs(&generation),
            [("agents/Ai Designer.md", "ai-designer")]
        );
        assert_eq!(
            lines(&generation),
            [
                "agents/Ai Designer.md:2:7: note[AG021]: the name has letters that no file or route can have \
              (files and routes of this agent are named `ai-designer`, as its file is)"
            ]
        );
        assert_eq!(generation.agents[0].spec.name, name);
    }
    let long = "a word ".repeat(20);
    let generation = build(&[("agents/short.md", long.trim())]);
    assert_eq!(slugs(&generation), [("agents/short.md", "short")]);
}

#[test]
fn names_that_the_signs_tell_apart_do_not_meet() {
    let generation = build(&[
        ("agents/c.md", "C Expert"),
        ("agents/cpp.md", "C++ Expert"),
        ("agents/csharp.md", "C# Expert"),
        ("agents/ai-designer.md", "AI設計者"),
        ("agents/ai-translator.md", "AI翻訳者"),
    ]);
    assert_eq!(
        slugs(&generation),
        [
            ("agents/ai-designer.md", "ai-designer"),
            ("agents/ai-translator.md", "ai-translator"),
            ("agents/c.md", "c-expert"),
            ("agents/cpp.md", "c-plus-plus-expert"),
            ("agents/csharp.md", "c-sharp-expert"),
        ]
    );
    assert!(!generation.artifacts.is_empty());
}

#[test]
fn names_that_differ_only_as_written_leave_the_files_names() {
    let files = [
        ("agents/first.md", "Code Reviewer"),
        ("agents/plain.md", "code-reviewer"),
        ("agents/second.md", "Code, Reviewer!"),
    ];
    let generation = build(&files);
    let expected = [
        ("agents/first.md", "first"),
        ("agents/plain.md", "code-reviewer"),
        ("agents/second.md", "second"),
    ];
    assert_eq!(slugs(&generation), expected);
    assert_eq!(
        lines(&generation)[0],
        "agents/first.md:2:7: note[AG022]: `Code Reviewer`, `code-reviewer` and `Code, Reviewer!` would all be \
         `code-reviewer` in files and routes (files and routes of this agent are named `first`, as its file is)"
    );
    assert_eq!(generation.diagnostics.len(), 2);
    let mut reversed = files;
    reversed.reverse();
    assert_eq!(slugs(&build(&reversed)), expected);
}

#[test]
fn a_collision_that_remains_says_who_has_the_name_and_how_to_leave_one_out() {
    let generation = build(&[
        ("agents/a/x.md", "architect"),
        ("agents/b/x.md", "architect"),
    ]);
    assert_eq!(
        lines(&generation),
        [
            "agents/b/x.md:2:7: error[AG022]: the name `architect` is taken by `agents/a/x.md` (line 2) \
          (rename one of them, or leave one out in agentgen.toml: `agents = [\"agents\", \"!agents/b/x.md\"]`)"
        ]
    );
    assert!(generation.artifacts.is_empty());
    // The files' names meet too, or that of a third agent.
    let third = [
        ("agents/tester.md", "reviewer"),
        ("agents/b/Tester.md", "Re-viewer"),
        ("agents/c/tester.md", "re viewer"),
    ];
    for files in [
        vec![("agents/a/x.md", "Tester"), ("agents/b/x.md", "tester!")],
        vec![("agents/x.md", "Self"), ("agents/y.md", "Self")],
        vec![("agents/x.md", "foo-bar"), ("agents/y.md", "foobar")],
        third.to_vec(),
    ] {
        let generation = build(&files);
        let errors = generation.diagnostics.iter();
        let mut errors = errors.filter(|diagnostic| diagnostic.severity == Severity::Error);
        let error = errors.next().unwrap_or_else(|| panic!("{files:?}"));
        assert_eq!(error.code, Code::NameCollision);
        assert!(error.message.contains("` (line 2)"), "{error}");
    }
}

#[test]
fn suffixes_of_copilot_are_no_part_of_a_name() {
    for (path, slug) in [
        ("agents/sprint-planner.agent.md", "sprint-planner"),
        ("agents/sprint-planner.chatmode.md", "sprint-planner"),
        ("agents/my.agent.v2.md", "my-agent-v2"),
        ("agents/agent.md", "agent"),
    ] {
        let text = "---\ndescription: Plans sprints.\n---\nYou plan.\n";
        let source = Source::from_bytes(path, text.into()).unwrap();
        let contract = "rate: 7/minute\n";
        let sidecar = path.split_once('.').unwrap().0;
        let sidecar = format!("{sidecar}.service.yaml");
        let mut sources = vec![source];
        if path != "agents/my.agent.v2.md" {
            sources.push(Source::from_bytes(sidecar.as_str(), contract.into()).unwrap());
        }
        let has_sidecar = sources.len() > 1;
        let generation = generate(&Project {
            sources,
            ..Project::default()
        });
        let errors = generation.diagnostics.iter();
        let mut errors = errors.filter(|diagnostic| diagnostic.severity == Severity::Error);
        assert!(errors.next().is_none(), "{:?}", lines(&generation));
        let agent = &generation.agents[0];
        assert_eq!(agent.spec.slug.as_str(), slug);
        assert_eq!(agent.service.source.path() != path, has_sidecar, "{path}");
        let advice = lines(&generation).concat();
        assert!(
            !advice.contains(".agent`") && !advice.contains(".chatmode`"),
            "{advice}"
        );
    }
}
