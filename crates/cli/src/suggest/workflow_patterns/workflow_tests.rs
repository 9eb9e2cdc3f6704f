//! Which workflows are read from a body, and their steps.

#![allow(clippy::unwrap_used)]

use crate::suggest::{self, Group, Workflow};

/// The agents of each group, those of a parallel one in brackets; `-` for none.
fn flow(body: &str) -> Vec<String> {
    let workflows = suggest::read(body, &[]).workflows;
    workflows
        .iter()
        .flat_map(|workflow| flow_of(&workflow.groups))
        .collect()
}

fn flow_of(groups: &[Group]) -> Vec<String> {
    groups
        .iter()
        .map(|group| {
            let names = group
                .steps
                .iter()
                .map(|step| step.agent.as_deref().unwrap_or("-"));
            let names = names.collect::<Vec<_>>().join(" ");
            if group.parallel {
                format!("[{names}]")
            } else {
                names
            }
        })
        .collect()
}

#[test]
fn patterns_are_read_however_they_are_indented() {
    let list = "1. a-b: x\n2. Parallel:\n   - c-d: y\n     * more\n   - e-f: z\n3. rest\n";
    let expected = ["a-b", "[c-d e-f]", "-"];
    for body in [
        format!("### Pattern 1: N\n```\n{list}```\n"),
        format!("### Pattern 1: N\n\n{list}"),
        format!("**Workflow 2 - N**\n\n{list}"),
        format!("# Pattern 3: N\r\n\r\n{}", list.replace('\n', "\r\n")),
        format!(
            "# Pattern 3: N\n\n{}",
            list.replace("     *", "\t\t*").replace("   -", "\t-")
        ),
        format!("# Pattern 1: N\n\n{}", list.trim_end()),
        format!("# Pattern 1: N\n```\n{list}"),
        format!(
            "- Pattern 1: N\n{}",
            list.lines()
                .map(|line| format!("  {line}\n"))
                .collect::<String>()
        ),
        format!("# Pattern 1: N\n\nFirst:\n\n{list}\n# Next\n\n1. g-h: no\n"),
    ] {
        assert_eq!(flow(&body), expected, "{body}");
    }
    assert_eq!(flow("# Pattern A: N\n\n1. a-b: x\n"), ["a-b"]);
    assert_eq!(flow("# Pattern a: N\n\n1. a-b: x\n"), [""; 0]);
    assert_eq!(flow("# Pattern 1: N\n\nJust words.\n"), [""; 0]);
    assert_eq!(
        flow(
            "# Pattern 1: N\n\n1. Phase:\n   - a-b: x\n   - rest\n2. In parallel:\n   - c-d\n   - e-f\n"
        ),
        ["a-b", "-", "[c-d e-f]"]
    );
}

/// Agents that are called by one word.
const CREW: [&str; 5] = ["planner", "coder", "tester", "writer", "code-reviewer"];

/// The workflows of `body`, each with its title and its groups as [`flow`] writes them.
fn crew(body: &str) -> Vec<(String, String)> {
    let workflows = suggest::read(body, &CREW).workflows;
    let flow = |one: &Workflow| flow_of(&one.groups).join(" ");
    workflows
        .iter()
        .map(|one| (one.title.clone(), flow(one)))
        .collect()
}

#[test]
fn steps_are_read_in_the_forms_that_people_write() {
    for (steps, expected) in [
        // Rows of arrows.
        ("planner → coder → planner", "planner coder planner"),
        (
            "planner -> (coder + tester) -> writer",
            "planner [coder tester] writer",
        ),
        (
            "`planner` → `coder` & `tester` → `writer`",
            "planner [coder tester] writer",
        ),
        (
            "Flow: planner => [coder, tester] => writer.",
            "planner [coder tester] writer",
        ),
        (
            "```\nplanner\n   ↓\ncoder + tester\n   ↓\nwriter\n```",
            "planner [coder tester] writer",
        ),
        ("planner\n  → coder\n  → tester", "planner coder tester"),
        (
            "```\nplanner\n  → coder\n  → tester\n```",
            "planner coder tester",
        ),
        ("Request → planner → coder → Done", "- planner coder -"),
        ("planner → coder / tester → writer", "planner - writer"),
        // Rows and lists that say the same.
        (
            "planner → coder\n\n1. planner: think\n2. coder: type\n3. Rest",
            "planner coder -",
        ),
        // Marks in front of steps.
        (
            "Step 1: writer drafts\nStep 2: planner reviews",
            "writer planner",
        ),
        (
            "- Step 1: writer drafts\n- Step 2: code-reviewer reviews",
            "writer code-reviewer",
        ),
        (
            "1. **Step 1**: planner: think\n2. **Step 2**: coder: type",
            "planner coder",
        ),
        ("- [ ] planner: think\n- [x] coder: type", "planner coder"),
        ("1) @planner think\n2) @coder type", "planner coder"),
        ("→ @planner: think\n→ @coder: type", "planner coder"),
        (
            "**1.** planner — think\n**2.** coder — type",
            "planner coder",
        ),
        (
            "1️⃣ planner: think\n2️⃣ coder + tester: type",
            "planner [coder tester]",
        ),
        (
            "Step 1 → planner: think\nStep 2 → coder, tester: type",
            "planner [coder tester]",
        ),
        ("1. planner: think\n   ↳ coder: type", "planner coder"),
        ("1. [planner] think\n2. [coder] type", "planner coder"),
        // Names as others write them.
        (
            "1. **Code Reviewer**: look\n2. **The Planner** – think",
            "code-reviewer planner",
        ),
        (
            "1. Think (planner)\n2. Type [coder]\n3. **Try** → tester",
            "planner coder tester",
        ),
        (
            "1. Think\n   - Agent: planner\n   - Task: deep\n2. Type\n   - **Agents**: coder, tester",
            "planner [coder tester]",
        ),
        (
            "1. Ask planner for a plan\n2. Use the coder agent\n3. Hand over to tester",
            "planner coder tester",
        ),
        (
            "1. coder's work is praised\n2. coder output is read by tester",
            "- -",
        ),
        ("1. Both coder and planner or nobody", "-"),
        ("1. planner: think, then coder: type", "planner coder"),
        ("1. planner thinks, then coder types", "planner coder"),
        // What runs at the same time.
        (
            "1. planner: think\n2. (parallel)\n   a. coder: type\n   b. tester: try\n3. writer: tell",
            "planner [coder tester] writer",
        ),
        (
            "1. planner: think\n2a. coder: type\n2b. tester: try\n3. writer: tell",
            "planner [coder tester] writer",
        ),
        (
            "1. planner: think\n2. coder: type (parallel)\n3. tester: try (parallel)\n4. writer: tell",
            "planner [coder tester] writer",
        ),
        (
            "1. planner: think\n2. coder: type\n3. tester: try, in parallel with step 2\n4. writer: tell",
            "planner [coder tester] writer",
        ),
        (
            "1. coder (in parallel with tester): type\n2. tester: try\n3. writer: tell",
            "[coder tester] writer",
        ),
        (
            "1. coder and tester (concurrently): work\n2. planner + writer: work (parallel)",
            "[coder tester] [planner writer]",
        ),
        (
            "1. coder, tester and writer work simultaneously",
            "[coder tester writer]",
        ),
        (
            "1. At the same time:\n   - coder: type\n   - tester: try",
            "[coder tester]",
        ),
        ("1. In parallel: coder: type; tester: try", "[coder tester]"),
        (
            "1. Not in parallel:\n   - coder: type\n   - tester: try",
            "coder tester",
        ),
        (
            "1. coder: run the tests in parallel\n   - unit\n   - end to end",
            "coder",
        ),
        (
            "1. Parallel:\n   - planner → coder\n   - writer → tester",
            "[planner writer] [coder tester]",
        ),
        (
            "```\nplanner\n├── coder: type\n└── tester: try\nwriter: tell\n```",
            "planner [coder tester] writer",
        ),
        // Phases.
        (
            "**Phase 1: Think**\n- planner: think\n\n**Phase 2: Work (parallel)**\n- coder: type\n- tester: try\n",
            "planner [coder tester]",
        ),
        (
            "### Phase 1\n\n1. planner: think\n\n### Phase 2\n\n1. coder: type",
            "planner coder",
        ),
        (
            "Phase 1 - Think:\n- planner: think\n\nRun these in parallel:\n- coder: type\n- tester: try",
            "planner [coder tester]",
        ),
        // Other lists of the same pattern are no steps of it.
        (
            "**When to use**: often\n**Agents**: planner, coder\n\n**Steps:**\n1. planner: think\n2. coder: type\n\n**Success criteria:**\n- It works\n- coder has slept",
            "planner coder",
        ),
        // Tables, graphs, data, calls.
        (
            "| Step | Agent | Task |\n|---|---|---|\n| 1 | planner | think |\n| 2a | coder | type |\n| 2b | `tester` | try |\n",
            "planner [coder tester]",
        ),
        (
            "```mermaid\ngraph TD\n  S([Start]) --> A[planner]\n  A --> B[coder<br/>type] & C[\"tester: try\"]\n  B --> D{Good?}\n  C --> D\n  D -- yes --> E(writer)\n  E -.->|again| A\n```",
            "planner [coder tester] writer",
        ),
        (
            "```mermaid\ngraph TD\n  A[planner] --> D{Easy?}\n  D -->|yes| B[coder]\n  D -->|no| C[tester]\n```",
            "",
        ),
        (
            "```yaml\nsteps:\n  - agent: planner\n    task: think\n  - parallel:\n      - agent: coder\n        task: type\n      - agent: tester\n        task: try\n```",
            "planner [coder tester]",
        ),
        (
            "```\nTask(subagent_type=\"planner\", prompt=\"think\")\nTask(subagent_type=\"coder\", prompt=\"type\")\n```",
            "planner coder",
        ),
    ] {
        for body in [
            format!("### Pattern 1: N\n\n{steps}\n"),
            format!("### Pattern 1: N\n\n{steps}"),
        ] {
            let expected: Vec<_> = [expected]
                .iter()
                .filter(|flow| !flow.is_empty())
                .map(|flow| ("N".to_owned(), (*flow).to_owned()))
                .collect();
            assert_eq!(crew(&body), expected, "{body}");
            let returned = body.replace('\n', "\r\n");
            assert_eq!(crew(&returned), expected, "{returned}");
        }
    }
}

#[test]
fn what_a_step_asks_is_told_without_its_marks() {
    let body = "# Pattern 1: N\n\n1. Step 1: writer drafts the text\n2. (parallel) coder: type\n3. tester: try (parallel)\n4. Think (planner)\n\
                5. Task(subagent_type=\"coder\", prompt=\"Build\")\n6. `writer` (in haste): send\n";
    let workflows = suggest::read(body, &CREW).workflows;
    let steps = workflows[0].groups.iter().flat_map(|group| &group.steps);
    let tasks: Vec<&str> = steps.map(|step| step.task.as_str()).collect();
    assert_eq!(
        tasks,
        [
            "drafts the text",
            "type",
            "try",
            "Think",
            "Build",
            "(in haste) send"
        ]
    );
}

#[test]
fn a_pattern_never_takes_the_steps_of_another() {
    let patterns = |first: &str, second: &str, third: &str| {
        format!(
            "## Patterns\n\n{first}\nplanner → coder\n\n{second}\n\n{third}\n- Step 1: writer drafts\n- Step 2: planner reviews\n\n## Rest\n\n1. coder: sleep\n"
        )
    };
    let expected = |titles: &[(&str, &str)]| -> Vec<(String, String)> {
        titles
            .iter()
            .map(|(title, flow)| ((*title).to_owned(), (*flow).to_owned()))
            .collect()
    };
    let found = expected(&[("One", "planner coder"), ("Three", "writer planner")]);
    for (first, second, third) in [
        (
            "### Pattern 1: One",
            "### Pattern 2: Two",
            "**Pattern 3 – Three**",
        ),
        (
            "**Pattern 1: One**",
            "### Pattern 2: Two",
            "#### Workflow 3. Three",
        ),
        (
            "### 🔁 Pattern 1: One",
            "**Pattern B: Two**",
            "**Pattern C: Three**",
        ),
        (
            "### 1. Pattern #1: One",
            "### Workflow Pattern 2: Two",
            "Pattern 3: Three:",
        ),
    ] {
        assert_eq!(crew(&patterns(first, second, third)), found, "{first}");
    }
    let block = "## Workflow Patterns\n\n```\nPattern 1: One\n  1. planner: think\n  2. Parallel:\n     - coder: type\n     - tester: try\n\nPattern 2: Two\n1. Nobody\n\nPattern 3: Three\n  writer → planner\n```\n";
    let found = expected(&[
        ("One", "planner [coder tester]"),
        ("Three", "writer planner"),
    ]);
    assert_eq!(crew(block), found);
    let lines: Vec<usize> = suggest::read(block, &CREW)
        .workflows
        .iter()
        .map(|one| one.line)
        .collect();
    assert_eq!(lines, [4, 13]);
    assert_eq!(
        crew("### Pattern 1\n\n1. coder: type\n"),
        expected(&[("Pattern 1", "coder")])
    );
    // Workflows need no number where a title says that they are workflows.
    let body = "## Workflow Patterns\n\n### Ship it\n1. coder: type\n2. tester: try\n\n### Tell it (docs)\nwriter → planner\n\n### One\n1. tester: try\n2. Rest\n\n### None\n1. Rest\n2. tester: try\n\n### Notes\n- coder: is slow\n- tester: is not\n\n\
                ## Playbooks\n\n- **Undo**: coder → tester\n- **Redo**: type it again\n\n| Pattern | Flow |\n|---|---|\n| Try | tester → coder |\n\n\
                **Pattern 7: Look**: planner → writer\n\n## Values\n\n- **Speed**: coder → tester\n";
    let found = expected(&[
        ("Ship it", "coder tester"),
        ("Tell it (docs)", "writer planner"),
        ("One", "tester -"),
        ("Undo", "coder tester"),
        ("Try", "tester coder"),
        ("Look", "planner writer"),
    ]);
    assert_eq!(crew(body), found);
}

#[test]
fn words_with_hyphens_are_no_agents_where_a_roster_says_who_there_is() {
    let steps = "## Pattern 1: N\n\n1. a-b: x\n2. follow-up: ask\n3. end-to-end: try\n4. api-tester: try\n5. **sign-off**: done\n";
    assert_eq!(
        flow(steps),
        ["a-b", "follow-up", "end-to-end", "api-tester", "sign-off"]
    );
    let roster = format!("## Available Agents\n\n- **a-b**: works\n\n{steps}");
    assert_eq!(flow(&roster), ["a-b", "-", "-", "api-tester", "sign-off"]);
}
