//! An MCP server in the language of the shell, which does what servers should not do.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use agentgen_runtime::Secret;
use agentgen_runtime::mcp::{McpServerSettings, McpTransport};

/// Its tools are named after what they do. `$MODE` says what it does before.
const PROGRAM: &str = r#"
sleep 600 & echo $! > "$STATE/child"
echo started >> "$STATE/starts"
note='{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}}'
tools=''
for tool in env crash hang flood loud huge slow roots deaf asks opens; do
    tools="$tools,{\"name\":\"$tool\",\"inputSchema\":{\"type\":\"object\"}}"
done
answer() { printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$1"; }
say() { answer "{\"content\":[{\"type\":\"text\",\"text\":\"$1\"}]}"; }
progress() { printf '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%s,"progress":%s,"message":"busy"}}\n' "$token" "$1"; }
while IFS= read -r line; do
    printf '%s\n' "$line" >> "$STATE/received"
    id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
    token=$(printf '%s' "$line" | sed -n 's/.*"progressToken":\([0-9]*\).*/\1/p')
    case "$MODE$line" in
        hang-at-start*'"initialize"'* | hang-at-list*'"tools/list"'*) ;;
        flood-at-start*'"initialize"'*) yes "$note" ;;
        *'"initialize"'*) answer '{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"sh","version":"1"}}' ;;
        *'"tools/list"'*)
            answer "{\"tools\":[${tools#,}]}"
            if [ "$MODE" = flood-later ]; then yes "$note"; fi ;;
        *'"name":"crash"'*) echo "I am about to end" >&2; exit 3 ;;
        *'"name":"hang"'*) ;;
        *'"name":"deaf"'*) sleep 600 ;;
        *'"name":"flood"'*) yes "$note" ;;
        *'"name":"loud"'*) yes "not so loud" >&2 & say loud ;;
        *'"name":"huge"'*)
            printf '{"jsonrpc":"2.0","id":%s,"result":{"content":[{"type":"text","text":"' "$id"
            head -c 104857600 /dev/zero | tr '\0' x && echo all >> "$STATE/written"
            printf '"}]}}\n' ;;
        *'"name":"slow"'*) for n in 1 2 3 4 5 6 7 8; do sleep 0.5; progress "$n"; done; say done ;;
        *'"name":"roots"'*)
            printf '{"jsonrpc":"2.0","id":"r","method":"roots/list"}\n'
            IFS= read -r line
            say "$(printf '%s' "$line" | sed 's/"/\\"/g')" ;;
        *'"name":"asks"'*)
            call="$id"
            for part in color size; do
                form="{\"type\":\"object\",\"properties\":{\"$part\":{\"type\":\"string\"}},\"required\":[\"$part\"]}"
                printf '{"jsonrpc":"2.0","id":"%s","method":"elicitation/create","params":{"message":"Which %s, %s?","requestedSchema":%s}}\n' "$part" "$part" "$TOKEN" "$form"
                IFS= read -r line
                printf '%s\n' "$line" >> "$STATE/received"
                case "$line" in
                    *notifications/cancelled*) echo "$part" >> "$STATE/cancelled"; said=; break ;;
                    *) said="$said $(printf '%s' "$line" | sed -n 's/.*"result"://p' | tr -d '"{}')" ;;
                esac
            done
            id="$call"
            if [ -n "$said" ]; then say "$said"; fi; said= ;;
        *'"name":"opens"'*)
            call="$id"
            printf '{"jsonrpc":"2.0","id":"u","method":"elicitation/create","params":{"mode":"url","message":"Log in","url":"https://example.com","elicitationId":"e"}}\n'
            IFS= read -r line
            id="$call"; say "$(printf '%s' "$line" | sed -n 's/.*"action":"\([a-z]*\)".*/\1/p')" ;;
        *'"name":"env"'*) say "$(env | sort | tr '\n' ' ')" ;;
        *'"id"'*) printf '{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"no such method"}}\n' "$id" ;;
    esac
done
"#;

/// A server, with a folder in which it notes what happens.
pub struct ShellServer(PathBuf);

impl ShellServer {
    pub fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("agentgen-{}", uuid::Uuid::new_v4()));
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    /// Its settings, to do from the start what `mode` says.
    pub fn settings(&self, mode: &str) -> McpServerSettings {
        let env = [
            ("MODE", mode),
            ("STATE", self.0.to_str().unwrap()),
            ("TOKEN", "hush-hush-hush"),
        ];
        let env = env.map(|(name, value)| (name.to_owned(), Secret::new(value)));
        McpServerSettings::new(McpTransport::Stdio {
            command: "sh".to_owned(),
            args: vec!["-c".to_owned(), PROGRAM.to_owned()],
            env: env.into(),
        })
    }

    /// Its settings, with a short time to start.
    pub fn hasty_settings(&self, mode: &str) -> McpServerSettings {
        McpServerSettings {
            connect_timeout: Duration::from_secs(2),
            ..self.settings(mode)
        }
    }

    /// What it noted as `name`; empty if nothing.
    pub fn noted(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap_or_default()
    }

    /// How often it was started.
    pub fn starts(&self) -> usize {
        self.noted("starts").lines().count()
    }

    /// Waits until the process that it started last has ended.
    pub async fn wait_for_end_of_child(&self) {
        let path = format!("/proc/{}/stat", self.noted("child").trim());
        let runs = || fs::read_to_string(&path).is_ok_and(|stat| !stat.contains(") Z "));
        assert!(
            !cfg!(target_os = "linux") || self.eventually(|| !runs()).await,
            "it still runs"
        );
    }

    /// Waits until something is so, for a minute at most.
    pub async fn eventually(&self, is_so: impl Fn() -> bool) -> bool {
        let begun = Instant::now();
        while !is_so() && begun.elapsed() < Duration::from_secs(60) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        is_so()
    }
}

impl Drop for ShellServer {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
