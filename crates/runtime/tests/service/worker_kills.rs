//! Recovery on several processes: three workers on one queue and one database are killed in turn at random moments. No
//! run is lost and no finished step is executed again, though every run is delivered more than once.
//!
//! `AGENTGEN_KILLS` sets the number of kills (default: a few), `AGENTGEN_SEED` the seed of the random moments.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Child;
use std::time::Duration;

use agentgen_runtime::schema::Uuid;
use agentgen_runtime::workflow::{Journal, WorkflowEvent};

use crate::durability::wait_for_address;
use crate::process_kills::{
    RandomDelays, STEPS, env_number, executions, finished, start, start_run,
};
use crate::queue_fixture::{TestQueue, test_queue};

/// The default number of kills.
const USUAL_KILLS: u64 = 6;
/// The number of runs started before each kill, and after the last one.
const RUNS: usize = 4;
const LAST_RUNS: usize = 12;

/// A worker process, its address once it listens, and the file in which its agents record calls.
struct Worker {
    child: Child,
    address: Option<SocketAddr>,
    marks: PathBuf,
}

impl Worker {
    fn start(queue: &TestQueue, marks: PathBuf) -> Self {
        let settings = [
            ("AGENTGEN_WORKFLOWS_QUEUE", &*queue.url),
            ("AGENTGEN_WORKFLOWS_LEASE", "400ms"),
            ("AGENTGEN_WORKFLOWS_RUNS", "4"),
        ];
        Self {
            child: start(&queue.store.url, &marks, &settings),
            address: None,
            marks,
        }
    }

    fn address(&mut self) -> SocketAddr {
        let child = &mut self.child;
        *self.address.get_or_insert_with(|| wait_for_address(child))
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// The runs of which it started a step.
    fn runs(&self) -> BTreeSet<String> {
        let marks = std::fs::read_to_string(&self.marks).unwrap();
        let runs = marks.lines().filter_map(|line| line.split(' ').next());
        runs.map(str::to_owned).collect()
    }
}

impl Drop for Worker {
    /// Kills the process even if the test fails.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Checks that the run completed, with one `StepFinished` event per step.
async fn check_told(journal: &dyn Journal, id: Uuid, seed: u64) {
    let run = journal.run(id, "anonymous").await.unwrap().unwrap();
    assert_eq!(run.status.as_str(), "completed", "{run:?} (seed {seed})");
    let events = journal.events(id, 0, 1000).await.unwrap();
    let numbers = events.iter().map(|(number, _)| *number);
    assert!(numbers.eq(1..=events.len() as u64), "{id} (seed {seed})");
    let mut message = BTreeMap::<&str, usize>::new();
    for (_, event) in &events {
        let name = match event {
            WorkflowEvent::StepFinished { report } => &*report.step,
            WorkflowEvent::Finished { .. } => "the run",
            _ => continue,
        };
        *message.entry(name).or_default() += 1;
    }
    let expected = STEPS.into_iter().chain(["the run"]).map(|name| (name, 1));
    assert_eq!(message, expected.collect(), "{id} (seed {seed})");
}

#[tokio::test]
async fn killed_workers_resume_all_runs_without_repeating_finished_steps() {
    let Some(queue) = test_queue().await else {
        return;
    };
    let (kills, seed) = (
        env_number("AGENTGEN_KILLS", USUAL_KILLS),
        env_number("AGENTGEN_SEED", 20_261_121),
    );
    let mut delays = RandomDelays(seed.max(1));
    let folder = std::env::temp_dir().join(format!("agentgen-marks-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir(&folder).unwrap();
    let marks = ["a", "b", "c"].map(|name| folder.join(name));
    let store = queue.store.open().await;
    let journal = store.journal();
    let mut workers = marks.clone().map(|marks| {
        std::fs::write(&marks, "").unwrap();
        Worker::start(&queue, marks)
    });
    // All runs, and those unfinished at the last kill.
    let (mut runs, mut live) = (Vec::new(), Vec::new());
    // Steps that were finished at a kill, with the number of their starts by then.
    let mut settled = BTreeMap::new();
    let mut mid_run = 0;
    for round in 0..kills {
        let victim = (round % 3) as usize;
        // The worker that receives the requests may be the victim.
        let first = delays.next(3).as_millis() as usize;
        let address = workers[first].address();
        for _ in 0..RUNS {
            start_run(address, &mut runs).await;
        }
        live.extend(runs.iter().rev().take(RUNS).rev());
        // Duplicate deliveries, possibly to different workers.
        for run in runs.iter().rev().take(RUNS) {
            queue.push(run.to_string()).await;
        }
        tokio::time::sleep(delays.next(150)).await;
        workers[victim].kill();
        // Newest first, because runs continue during the check.
        let (mut over, mut open) = (Vec::new(), Vec::new());
        for run in live.drain(..).rev() {
            let (steps, is_open) = finished(&*journal, &[run]).await;
            over.extend(steps);
            if is_open > 0 {
                open.push(run);
            }
        }
        mid_run += usize::from(!open.is_empty());
        live = open;
        live.reverse();
        let times = executions(&marks);
        for step in over {
            let now = times[&step];
            let before = *settled.entry(step.clone()).or_insert(now);
            assert_eq!(
                before, now,
                "{step} was over, and was run again (seed {seed})"
            );
        }
        workers[victim] = Worker::start(&queue, marks[victim].clone());
    }
    let addresses = workers.each_mut().map(Worker::address);
    for turn in 0..LAST_RUNS {
        start_run(addresses[turn % 3], &mut runs).await;
    }
    for _ in 0..600 {
        if finished(&*journal, &runs).await.1 == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(
        queue.is_drained().await,
        "{} wait",
        queue.message_count().await
    );
    workers.iter_mut().for_each(Worker::kill);
    let times = executions(&marks);
    let mut again = 0;
    for id in &runs {
        check_told(&*journal, *id, seed).await;
        for name in STEPS {
            let step = format!("{id} {name}");
            let now = times[&step];
            let before = *settled.get(&step).unwrap_or(&now);
            assert_eq!(
                before, now,
                "{step} was over, and was run again (seed {seed})"
            );
            again += now - 1;
        }
    }
    let by_worker = workers.each_ref().map(|worker| worker.runs().len());
    assert!(by_worker.iter().all(|runs| *runs > 0), "{by_worker:?}");
    assert!(
        mid_run * 2 > kills as usize,
        "too few kills during runs: {mid_run}"
    );
    let message = format!(
        "nats: {kills} kills of three workers in turn with seed {seed}, {mid_run} during runs; {} runs with {} steps are \
         complete, {} steps were over at a kill and none of them ran again, {again} were cut off and did; the workers \
         had a part in {by_worker:?} runs\n",
        runs.len(),
        runs.len() * STEPS.len(),
        settled.len(),
    );
    std::io::stdout().write_all(message.as_bytes()).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    drop((journal, store));
    queue.remove().await;
}
