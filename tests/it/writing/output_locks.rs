//! Two runs at a time.

use std::time::Duration;

use agentgen_build::{Code, Options, OutputLock, apply, plan};

use super::{Output, artifacts};

#[test]
fn one_run_at_a_time_has_the_folder() {
    let output = Output::new();
    let root = output.root.path();
    let lock = OutputLock::acquire(root, "a/out", || unreachable!()).unwrap();
    let mut waited = 0;
    let problem = OutputLock::acquire_within(Duration::from_millis(50), root, "a/out", || {
        waited += 1;
    })
    .unwrap_err();
    assert_eq!(waited, 1);
    assert_eq!(
        (problem.code, problem.message.as_str()),
        (Code::Io, "another run of agentgen is writing here")
    );
    drop(lock);
    assert!(!root.join("a").exists(), "nothing was written");
    drop(OutputLock::acquire(root, "a/out", || unreachable!()).unwrap());
}

#[test]
fn a_run_waits_for_the_other_one() {
    let output = Output::new();
    let root = output.root.path();
    let lock = OutputLock::acquire(root, "out", || {}).unwrap();
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let second = scope.spawn(|| {
            let lock = OutputLock::acquire(root, "out", || send.send(()).unwrap()).unwrap();
            let has_first = root.join("out/first").exists();
            drop(lock);
            has_first
        });
        receive.recv().unwrap();
        let first = artifacts(&[("first", "1")]);
        apply(&plan(root, "out", &first, &Options::default()).unwrap()).unwrap();
        drop(lock);
        assert!(
            second.join().unwrap(),
            "it began before the other had ended"
        );
    });
}
