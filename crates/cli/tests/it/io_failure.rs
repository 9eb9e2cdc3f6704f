//! What the command does when files or stdout fail.

use std::fs;
use std::process::Stdio;

use crate::command_folder::{FIRST, Folder};

#[test]
fn a_machine_that_fails_is_status_3() {
    let folder = Folder::two_agents();
    folder.run(&["build"]).expect(0);
    let file = folder.a_generated_file();
    // The temporary file beside the target can't be made, not even by a superuser.
    let in_the_way = folder.path(&file).parent().unwrap().join(".agentgen-tmp");
    fs::create_dir_all(in_the_way.join("full")).unwrap();
    folder.write("agents/first.md", &format!("{FIRST}More.\n"));
    let run = folder.run(&["build"]).expect(3);
    assert!(
        run.stderr
            .contains("error[AG014]: the file can't be written: ")
    );
    assert!(run.stderr.contains("run the same command again"));
    fs::remove_dir_all(in_the_way).unwrap();
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
