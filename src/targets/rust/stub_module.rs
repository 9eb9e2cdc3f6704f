//! Edits of the module over the user's handlers, which leave everything else in it as it is.

use crate::agent::Agent;

/// How long rustfmt lets a line be.
const WIDTH: usize = 100;

/// `text` of `mod.rs` with the module and the handler of `agent`; none where a mark is missing.
pub(super) fn with_agent(text: &str, agent: &Agent) -> Option<String> {
    let module = agent.module.as_str();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let declaration = format!("pub mod {module};");
    let declared = format!("mod {module};");
    if !lines.iter().any(|line| line.trim().ends_with(&declared)) {
        let (start, end) = marks(&lines, "modules")?;
        let at = lines[start + 1..end]
            .iter()
            .position(|line| {
                let name = line.trim().strip_prefix("pub mod ");
                let name = name.and_then(|name| name.strip_suffix(';'));
                name.is_some_and(|name| name > module)
            })
            .map_or(end, |index| start + 1 + index);
        // An agent called `agents` has a module that is called as the one it is in.
        if module == "agents" {
            lines.insert(at, "#[allow(clippy::module_inception)]".to_owned());
            lines.insert(at + 1, declaration);
        } else {
            lines.insert(at, declaration);
        }
    }
    let function = format!("fn {module}(");
    if !lines.iter().any(|line| line.trim().starts_with(&function)) {
        let (start, end) = marks(&lines, "handlers")?;
        let output = format!(
            "impl crate::generated::{module}::{}",
            agent.type_name.as_str()
        );
        let mut method = Vec::new();
        if end > start + 1 {
            method.push(String::new());
        }
        let head = signature(&format!("fn {module}"), &["&self"], &output);
        method.extend(head.lines().map(str::to_owned));
        method.push(format!("        {module}::Handler"));
        method.push("    }".to_owned());
        lines.splice(end..end, method);
    }
    Some(lines.join("\n") + "\n")
}

/// The lines of the marks around what is called `what`.
fn marks(lines: &[String], what: &str) -> Option<(usize, usize)> {
    let find = |mark: String| lines.iter().position(|line| line.trim() == mark);
    let start = find(format!("// agentgen: {what}"))?;
    let end = find(format!("// agentgen: end of {what}"))?;
    (start < end).then_some((start, end))
}

/// `text` of `mod.rs` without the module `module` and its handler.
pub fn without_module(text: &str, module: &str) -> String {
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    if let Some(at) = declaration_line(&lines, module) {
        let start = first_attribute(&lines, at);
        lines.drain(start..=at);
    }
    if let Some((start, end)) = method_lines(&lines, module) {
        let mut start = first_attribute(&lines, start);
        // One of the blank lines around it goes too.
        if start > 0 && lines[start - 1].trim().is_empty() {
            start -= 1;
            lines.drain(start..=end);
        } else {
            lines.drain(start..=end);
            if lines.get(start).is_some_and(|line| line.trim().is_empty()) {
                lines.remove(start);
            }
        }
    }
    lines.concat()
}

/// `text` of `mod.rs` in which the module `from` of the trait `from_type` is the module and the trait of `agent`. What the user wrote into its
/// handler stays.
pub fn with_module_renamed(text: &str, from: &str, from_type: &str, agent: &Agent) -> String {
    let (module, type_name) = (agent.module.as_str(), agent.type_name.as_str());
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    let borrowed: Vec<&str> = lines.iter().map(String::as_str).collect();
    let method = method_lines(&borrowed, from);
    let declaration = declaration_line(&borrowed, from);
    if let Some((start, end)) = method {
        for line in &mut lines[start..=end] {
            *line = with_paths_renamed(line, from, from_type, module, type_name);
            *line = line.replacen(&format!("fn {from}("), &format!("fn {module}("), 1);
        }
    }
    if let Some(at) = declaration {
        lines[at] = lines[at].replacen(&format!("mod {from};"), &format!("mod {module};"), 1);
        sort_declarations(&mut lines, at);
    }
    lines.concat()
}

/// The text of a handler's file in which the generated module `from` with the trait `from_type` is that of `agent`.
pub fn with_contract_renamed(text: &str, from: &str, from_type: &str, agent: &Agent) -> String {
    with_paths_renamed(
        text,
        from,
        from_type,
        agent.module.as_str(),
        agent.type_name.as_str(),
    )
}

/// Renames paths: `generated::from`, `from::` at the start of a path, and the trait behind `from::` or `contract::`.
fn with_paths_renamed(text: &str, from: &str, from_type: &str, to: &str, to_type: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut before: Vec<&str> = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let length = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
        if length == 0 {
            let other = rest.find(is_word).unwrap_or(rest.len());
            let (gap, after) = rest.split_at(other);
            // Only `::` continues a path.
            if gap != "::" {
                before.clear();
            }
            result.push_str(gap);
            rest = after;
            continue;
        }
        let (word, after) = rest.split_at(length);
        let parent = before.last().copied();
        let is_module = word == from
            && (parent == Some("generated") || (parent.is_none() && after.starts_with("::")));
        let is_trait = word == from_type && parent.is_some_and(|p| p == from || p == "contract");
        result.push_str(match (is_module, is_trait) {
            (true, _) => to,
            (_, true) => to_type,
            _ => word,
        });
        before.push(word);
        rest = after;
    }
    result
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The line `mod module;`, public or not.
fn declaration_line(lines: &[&str], module: &str) -> Option<usize> {
    let declared = format!("mod {module};");
    lines.iter().position(|line| {
        let head = line.trim().strip_suffix(&declared);
        head.is_some_and(|head| {
            head.is_empty() || (head.starts_with("pub") && head.ends_with([' ', ')']))
        })
    })
}

/// The first and the last line of the method `fn module(`.
fn method_lines(lines: &[&str], module: &str) -> Option<(usize, usize)> {
    let head = format!("fn {module}(");
    let start = lines
        .iter()
        .position(|line| line.trim().starts_with(&head))?;
    let mut depth = 0_i32;
    for (index, line) in lines.iter().enumerate().skip(start) {
        for c in line.chars() {
            depth += i32::from(c == '{') - i32::from(c == '}');
            if depth == 0 && c == '}' {
                return Some((start, index));
            }
        }
    }
    None
}

/// The first of the attributes and doc comments right above the line `at`.
fn first_attribute(lines: &[&str], at: usize) -> usize {
    let above = lines[..at].iter().rev();
    let count = above
        .take_while(|line| line.trim().starts_with("#[") || line.trim().starts_with("///"))
        .count();
    at - count
}

/// Moves the declaration at the line `at` to its place among its neighbours, as rustfmt would.
fn sort_declarations(lines: &mut Vec<String>, at: usize) {
    let plain = |line: &String| {
        let name = line.trim().strip_prefix("pub mod ")?.strip_suffix(';')?;
        Some(name.to_owned())
    };
    let Some(own) = plain(&lines[at]) else { return };
    let mut to = at;
    while to > 0 && plain(&lines[to - 1]).is_some_and(|name| name > own) {
        to -= 1;
    }
    if to == at {
        let below = lines[at + 1..].iter().map_while(plain);
        to += below.take_while(|name| *name < own).count();
    }
    let line = lines.remove(at);
    lines.insert(to, line);
}

/// The head of a method in an `impl`, as rustfmt lays it out.
pub(super) fn signature(name: &str, parameters: &[&str], output: &str) -> String {
    let line = format!("    {name}({}) -> {output} {{", parameters.join(", "));
    if line.chars().count() <= WIDTH {
        return line;
    }
    let mut lines = format!("    {name}(\n");
    for parameter in parameters {
        lines.push_str(&format!("        {parameter},\n"));
    }
    let end = format!("    ) -> {output}");
    // rustfmt leaves room for the indentation once more here.
    let brace = if end.chars().count() + 2 <= WIDTH - 4 {
        " {"
    } else {
        "\n    {"
    };
    lines + &end + brace
}

#[cfg(test)]
#[path = "stub_module_tests.rs"]
mod tests;
