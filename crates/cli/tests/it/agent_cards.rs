//! The target `a2a`, held against the service that it describes.

use serde_json::Value;

use crate::command_folder::Folder;
use crate::serve::{Serving, agentgen};

#[test]
fn cards_are_written_as_the_service_serves_them() {
    let agents = [
        (
            "agents/desk.md",
            "---\nname: desk\ndescription: |\n  Finds books.\n  <example>\n  Context: A reader misses a book.\n  user: \"Where is it?\"\n  \
             assistant: \"On shelf 7.\"\n  </example>\nservice:\n  endpoints:\n    find:\n      path: /find\n      \
             input: { title: string }\n      output: { shelf: string }\n---\nYou find books.\n",
        ),
        (
            "agents/night-porter.md",
            "---\nname: night-porter\ndescription: Lets readers in.\n---\nYou open doors.\n",
        ),
    ];
    let folder = Folder::new(&agents);
    let secret = "a secret of the tests, which is long enough";
    let mut command = agentgen(&folder, &["serve", "--port", "0", "--model", "echo"]);
    let service = Serving::start(command.env("AGENTGEN_AUTH_HS256_SECRET", secret));
    let settings = format!(
        "targets = [\"a2a\"]\n[openapi]\nservers = [\"{}\"]\n",
        service.url
    );
    folder.write("agentgen.toml", &settings);
    folder.run(&["build"]).expect(0);
    for agent in ["desk", "night-porter"] {
        let path = folder.path(&format!("generated/a2a/{agent}.json"));
        let written: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let (status, served) = service.get(&format!("/a2a/{agent}/.well-known/agent-card.json"));
        assert_eq!(status, 200, "{served}");
        assert_eq!(written, served);
    }
}
