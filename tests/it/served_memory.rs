//! What the runtime is told of a project is the same whatever is remembered of it.

use agentgen_build::{Project, ServedMemory, Source, UserTemplate, serve};

const DESK: &str = "---\nname: desk\ndescription: Answers.\nmodel: sonnet\nservice:\n  endpoints:\n    ask:\n      path: /ask\n      \
    input:\n        question: string\n      output:\n        reply: string\n  agents: [porter]\n  workflows:\n    both:\n      - \
    one: desk\n      - two: porter\n---\nYou answer.\n";
const PORTER: &str = "---\nname: porter\ndescription: Carries.\n---\nYou carry.\n";

/// The files of a project after an edit: their names below `agents/` and their texts.
type Files = Vec<(&'static str, String)>;

fn project(files: &Files) -> Project {
    let mut files = files.clone();
    files.sort();
    let sources = files.iter().map(|(name, text)| {
        let path = format!("agents/{name}");
        Source::from_bytes(&path, text.clone().into_bytes()).expect("text")
    });
    Project {
        sources: sources.collect(),
        ..Project::default()
    }
}

#[test]
fn what_is_remembered_changes_no_byte() {
    let files = |texts: [(&'static str, &str); 2]| -> Files {
        texts.map(|(name, text)| (name, text.to_owned())).to_vec()
    };
    let edited = |desk: &str, porter: &str| files([("desk.md", desk), ("porter.md", porter)]);
    let with = |name: &'static str, text: &str| {
        let mut all = edited(DESK, PORTER);
        all.push((name, text.to_owned()));
        all
    };
    let first = edited(DESK, PORTER);
    let contract = "endpoints:\n  carry:\n    path: /carry\n    input:\n      what: string\n    output:\n      where: string\n";
    let mut edits = vec![
        edited(&DESK.replace("You answer.", "You answer kindly."), PORTER),
        edited(&DESK.replace("Answers.", "Answers questions."), PORTER),
        edited(&DESK.replace("path: /ask", "path: /inquire"), PORTER),
        edited(&DESK.replace("reply: string", "reply: integer"), PORTER),
        edited(&DESK.replace("two: porter", "two: desk"), PORTER),
        edited(&DESK.replace("model: sonnet", "model: opus"), PORTER),
        // What another agent says of this one changes with its slug and not with its own text.
        edited(DESK, &PORTER.replace("name: porter", "name: Porter")),
        edited(
            &DESK.replace("porter", "carrier"),
            &PORTER.replace("name: porter", "name: carrier"),
        ),
        with(
            "cook.md",
            "---\nname: cook\ndescription: Cooks.\n---\nYou cook.\n",
        ),
        with("porter.service.yaml", contract),
        with("porter.service.yaml", &contract.replace("/carry", "/bring")),
        // An error, and a contract of nobody.
        edited(&DESK.replace("path: /ask", "path: [ask"), PORTER),
        with("nobody.service.yaml", contract),
        vec![(
            "desk.md",
            DESK.replace("  agents: [porter]\n", "")
                .replace("two: porter", "two: desk"),
        )],
    ];
    let last = edits.clone();
    edits.extend(last.into_iter().rev());
    let mut memory = ServedMemory::default();
    let mut count = 0;
    for edit in edits {
        for files in [&first, &edit, &edit] {
            let project = project(files);
            let fresh = serve(&project, &mut ServedMemory::default());
            let again = serve(&project, &mut memory);
            assert_eq!(again.documents, fresh.documents, "{files:?}");
            assert_eq!(
                format!("{:?}", again.diagnostics),
                format!("{:?}", fresh.diagnostics)
            );
            count += usize::from(fresh.documents.is_some());
        }
    }
    // All but two edits, there and back.
    assert_eq!(count, 28 + 24 * 2);
}

#[test]
fn settings_and_templates_are_part_of_what_is_remembered() {
    let mut project = project(&vec![("porter.md", PORTER.to_owned())]);
    let mut memory = ServedMemory::default();
    let mut openapi = |project: &Project| {
        let served = serve(project, &mut memory);
        served.documents.expect("no errors").openapi
    };
    let first = openapi(&project);
    assert_eq!(openapi(&project), first);
    project.config.openapi.title = "Another title".to_owned();
    let titled = openapi(&project);
    assert!(titled.contains("Another title") && titled != first);
    let builtin = agentgen_build::inspect::BUILTIN
        .iter()
        .find(|(name, _)| *name == "openapi/service.yaml.tera")
        .expect("a template");
    let own = format!("{}\nx-own: true\n", builtin.1);
    project.templates.push(UserTemplate {
        name: builtin.0.to_owned(),
        source: Source::from_bytes("templates/openapi/service.yaml.tera", own.into_bytes())
            .expect("text"),
    });
    assert!(openapi(&project).contains("\"x-own\""));
}
