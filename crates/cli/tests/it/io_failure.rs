//! What the command does when files or stdout fail.

use std::fs;
use std::process::{Command, Stdio};

use crate::command_folder::{FIRST, Folder};

#[cfg(unix)]
#[test]
fn a_machine_that_fails_is_status_3() {
    let folder = Folder::two_agents();
    folder.run(&["build"]).expect(0);
    folder.write("agents/first.md", &format!("{FIRST}More.\n"));
    // No file may grow beyond 0 bytes: the disk is full, also for a superuser.
    let mut full = Command::new("sh");
    full.args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$AGENTGEN\" build"])
        .env("AGENTGEN", env!("CARGO_BIN_EXE_agentgen"))
        .current_dir(folder.path(""));
    let output = full.output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert!(
        stderr.contains("error[AG014]: the file can't be written: "),
        "{stderr}"
    );
    assert!(stderr.contains("run the same command again"), "{stderr}");
    folder.run(&["build"]).expect(0);
    folder.run(&["build", "--check"]).expect(0);

    // A file where the output folder should be.
    folder.write("taken", "");
    folder.run(&["build", "--out", "taken"]).expect(3);
    assert_eq!(fs::read(folder.path("taken")).unwrap(), b"");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_stdout_is_status_3() {
    let folder = Folder::two_agents();
    let mut command = folder.command_in("", &["list"]);
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let output = command
        .stdout(Stdio::from(full))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
        .wait_with_output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("stdout can't be written"));
}

#[cfg(unix)]
#[test]
fn a_closed_pipe_is_quiet() {
    let folder = Folder::two_agents();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = folder.command_in("", &["list"]);
    let output = command
        .stdout(Stdio::from(writer))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
        .wait_with_output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}
