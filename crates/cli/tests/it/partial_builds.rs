//! `build --target` and `build --only`.

use std::fs;

use crate::command_folder::Folder;

#[test]
fn a_target_leaves_the_others_alone_and_says_so() {
    let folder = Folder::two_agents();
    folder.run(&["build"]).expect(0);
    let before = folder.files("generated");
    for (target, others) in [
        ("prompts", "rust, openapi"),
        ("rust", "openapi"),
        ("openapi", "prompts, rust"),
    ] {
        let run = folder.run(&["build", "--target", target]).expect(0);
        let line = run
            .stderr
            .lines()
            .find(|line| line.starts_with("left alone: "));
        let line = line.unwrap_or_else(|| panic!("{target}: {}", run.stderr));
        let mut owners: Vec<&str> = line.rsplit(" of ").next().unwrap().split(", ").collect();
        owners.sort_by_key(|owner| others.find(owner));
        assert_eq!(owners.join(", "), others, "{target}");
        assert_eq!(folder.files("generated"), before, "{target}");
        folder
            .run(&["build", "--target", target, "--check"])
            .expect(0);
        let json = folder
            .run(&["build", "--target", target, "--format", "json"])
            .expect(0)
            .json();
        let left = json["left_alone"].as_array().unwrap();
        assert!(left.iter().all(|path| {
            before
                .iter()
                .any(|(name, _)| path.as_str().unwrap() == format!("generated/{name}"))
        }));
    }
    let run = folder.run(&["build"]).expect(0);
    assert!(!run.stderr.contains("left alone"), "{}", run.stderr);
    folder.run(&["build", "--check"]).expect(0);

    // A plain build cleans up after all of them.
    fs::remove_file(folder.path("agents/second.md")).unwrap();
    folder.run(&["build", "--target", "prompts"]).expect(0);
    let names = folder.names("generated");
    assert!(names.iter().any(|name| name.starts_with("prompts/second")));
    folder.run(&["build"]).expect(0);
    assert!(
        !folder
            .names("generated")
            .iter()
            .any(|name| name.contains("second"))
    );
}

#[test]
fn a_client_is_written_where_it_is_asked_for() {
    let folder = Folder::two_agents();
    folder.run(&["build"]).expect(0);
    let before = folder.names("generated");
    assert!(!before.iter().any(|name| name.starts_with("client/")));
    folder.run(&["build", "--target", "client"]).expect(0);
    let mut client = folder.names("generated");
    client.retain(|name| !before.contains(name));
    for name in [
        "client/mod.rs",
        "client/agents/mod.rs",
        "client/agents/second.rs",
    ] {
        assert!(client.iter().any(|other| other == name), "{client:?}");
    }
    let is_client = |name: &String| name.starts_with("client/");
    assert!(client.iter().all(is_client), "{client:?}");
    let arguments = [
        "build", "--target", "client", "--only", "second", "--format", "json",
    ];
    let report = folder.run(&arguments).expect(0).json();
    let left = report["left_alone"].to_string();
    assert!(!left.contains("client/agents/second.rs"), "{left}");
    assert!(left.contains("client/agents/first.rs"), "{left}");
    // What the project does not list is not kept.
    folder.run(&["build"]).expect(0);
    assert_eq!(folder.names("generated"), before);
    let all = "targets = [\"prompts\", \"rust\", \"openapi\", \"client\"]\n";
    folder.write("agentgen.toml", all);
    folder.run(&["build"]).expect(0);
    assert!(folder.names("generated").iter().any(is_client));
}
