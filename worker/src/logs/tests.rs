//! What is written is read back: in order, across rotation, restarts and followers.

use futures_util::StreamExt;

use super::*;

const SERVICE: u128 = 7;

fn task(id: u128) -> Id<Task> {
    Id::from_u128(id)
}

fn service() -> Id<Service> {
    Id::from_u128(SERVICE)
}

fn open(root: &Path, file_max: u64) -> Logs {
    Logs::open(root, Bytes(file_max), Id::from_u128(99)).expect("opens")
}

fn logs(file_max: u64) -> (tempfile::TempDir, Logs) {
    let root = tempfile::tempdir().expect("a folder");
    let logs = open(root.path(), file_max);
    (root, logs)
}

fn tasks(ids: &[u128]) -> LogSelection {
    LogSelection { tasks: ids.iter().map(|id| task(*id)).collect(), services: BTreeSet::default() }
}

fn services() -> LogSelection {
    LogSelection { tasks: BTreeSet::default(), services: [service()].into() }
}

fn out(log: &TaskLog, text: &str) {
    log.write(LogStream::Stdout, text.as_bytes());
}

async fn read(logs: &Logs, selection: LogSelection, options: LogOptions) -> Vec<String> {
    let lines = logs.read(selection, options).expect("starts");
    let batches: Vec<_> = lines.map(|batch| batch.expect("read")).collect().await;
    batches.into_iter().flatten().map(text).collect()
}

fn text(line: LogLine) -> String {
    String::from_utf8_lossy(&line.text).into_owned()
}

/// The next lines of a follower, as many as are expected.
async fn next(lines: &mut ReceiverStream<io::Result<Vec<LogLine>>>, count: usize) -> Vec<String> {
    let mut got = Vec::new();
    while got.len() < count {
        let batch = lines.next().await.expect("goes on").expect("read");
        got.extend(batch.into_iter().map(text));
    }
    got
}

#[tokio::test]
async fn the_lines_of_several_tasks_come_in_the_order_they_were_written() {
    let (_root, logs) = logs(1 << 20);
    let (one, two) = (logs.writer(task(1), service()), logs.writer(task(2), service()));
    for n in 0..50 {
        out(&one, &format!("one {n}"));
        out(&two, &format!("two {n}"));
    }
    let expected: Vec<String> =
        (0..50).flat_map(|n| [format!("one {n}"), format!("two {n}")]).collect();
    assert_eq!(read(&logs, tasks(&[1, 2]), LogOptions::default()).await, expected);
    assert_eq!(read(&logs, services(), LogOptions::default()).await, expected);
    assert_eq!(read(&logs, tasks(&[3]), LogOptions::default()).await, [""; 0]);
}

#[tokio::test]
async fn lines_outlive_the_daemon_and_a_torn_one_harms_no_other() {
    let (root, logs) = logs(1 << 20);
    out(&logs.writer(task(1), service()), "before");
    let current = root.path().join(task(1).to_string()).join("current");
    let mut torn = std::fs::read(&current).expect("read");
    torn.extend_from_slice(b"00000000000000000009 o half a li");
    std::fs::write(&current, torn).expect("written");

    let logs = open(root.path(), 1 << 20);
    out(&logs.writer(task(1), service()), "after");
    let lines = read(&logs, tasks(&[1]), LogOptions::default()).await;
    assert_eq!(lines, ["before", "half a li", "after"], "a cut text is still what was written");

    let mut torn = std::fs::read(&current).expect("read");
    torn.extend_from_slice(b"0000000000000");
    std::fs::write(&current, torn).expect("written");
    let logs = open(root.path(), 1 << 20);
    out(&logs.writer(task(1), service()), "at last");
    let lines = read(&logs, tasks(&[1]), LogOptions::default()).await;
    assert_eq!(lines, ["before", "half a li", "after", "at last"]);
}

#[tokio::test]
async fn a_task_keeps_its_newest_lines_in_two_bounded_files() {
    let (root, logs) = logs(1000);
    let log = logs.writer(task(1), service());
    for n in 0..200 {
        out(&log, &format!("line {n:03}"));
    }
    let dir = root.path().join(task(1).to_string());
    let mut sizes: Vec<u64> = std::fs::read_dir(&dir)
        .expect("listed")
        .map(|entry| entry.expect("entry").metadata().expect("metadata").len())
        .collect();
    sizes.sort();
    assert!(sizes.len() == 2 && sizes.iter().all(|size| *size <= 1000), "{sizes:?}");
    let lines = read(&logs, tasks(&[1]), LogOptions::default()).await;
    assert!(lines.len() > 1000 / 40 && lines.len() < 200, "{}", lines.len());
    let first = 200 - lines.len();
    let newest: Vec<String> = (first..200).map(|n| format!("line {n:03}")).collect();
    assert_eq!(lines, newest);
    // The tail reaches back over the rotation.
    for tail in [0, 1, 5, 30, 1000] {
        let options = LogOptions { tail: Some(tail as u64), ..LogOptions::default() };
        let expected = &newest[newest.len().saturating_sub(tail)..];
        assert_eq!(read(&logs, tasks(&[1]), options).await, expected, "tail {tail}");
    }
}

#[tokio::test]
async fn lines_are_chosen_by_stream_and_time() {
    let (_root, logs) = logs(1 << 20);
    let log = logs.writer(task(1), service());
    for n in 0..4 {
        out(&log, &format!("out {n}"));
        log.write(LogStream::Stderr, format!("err {n}").as_bytes());
    }
    let stderr = LogOptions { stream: Some(LogStream::Stderr), ..LogOptions::default() };
    assert_eq!(
        read(&logs, tasks(&[1]), stderr.clone()).await,
        ["err 0", "err 1", "err 2", "err 3"]
    );
    let last = LogOptions { tail: Some(2), ..stderr };
    assert_eq!(read(&logs, tasks(&[1]), last).await, ["err 2", "err 3"]);

    let all = logs.read(tasks(&[1]), LogOptions::default()).expect("starts");
    let all: Vec<LogLine> = all.map(|b| b.expect("read")).concat().await;
    let since = LogOptions { since: Some(all[5].at), ..LogOptions::default() };
    let expected: Vec<String> =
        all.iter().filter(|line| line.at >= all[5].at).cloned().map(text).collect();
    assert_eq!(read(&logs, tasks(&[1]), since).await, expected);
    assert!(expected.len() >= 3 && expected.len() < 8, "{expected:?}");
}

#[tokio::test]
async fn a_follower_sees_old_and_new_lines_also_of_later_tasks() {
    let (_root, logs) = logs(1 << 20);
    let one = logs.writer(task(1), service());
    out(&one, "old");
    let options = LogOptions { follow: Follow::Yes, ..LogOptions::default() };
    let mut lines = logs.read(services(), options).expect("starts");
    assert_eq!(next(&mut lines, 1).await, ["old"]);
    out(&one, "new");
    assert_eq!(next(&mut lines, 1).await, ["new"]);
    let two = logs.writer(task(2), service());
    out(&two, "later");
    assert_eq!(next(&mut lines, 1).await, ["later"]);
    out(&logs.writer(task(3), Id::from_u128(8)), "of another service");
    out(&one, "again");
    assert_eq!(next(&mut lines, 1).await, ["again"]);
}

#[tokio::test]
async fn a_follower_reads_on_over_rotation() {
    let (_root, logs) = logs(400);
    let log = logs.writer(task(1), service());
    let options = LogOptions { follow: Follow::Yes, ..LogOptions::default() };
    let mut lines = logs.read(tasks(&[1]), options).expect("starts");
    for n in 0..100 {
        let written = format!("line {n}");
        out(&log, &written);
        assert_eq!(next(&mut lines, 1).await, [written]);
    }
}

#[tokio::test]
async fn a_follower_that_fell_behind_misses_only_what_rotation_took() {
    let (_root, logs) = logs(400);
    let log = logs.writer(task(1), service());
    let options = LogOptions { follow: Follow::Yes, ..LogOptions::default() };
    let mut lines = logs.read(tasks(&[1]), options).expect("starts");
    out(&log, "first");
    assert_eq!(next(&mut lines, 1).await, ["first"]);
    for n in 0..100 {
        out(&log, &format!("line {n}"));
    }
    let mut seen = Vec::new();
    while seen.last().map(String::as_str) != Some("line 99") {
        seen.extend(next(&mut lines, 1).await);
    }
    let numbers: Vec<u32> = seen.iter().map(|line| line[5..].parse().expect("a number")).collect();
    assert!(numbers.is_sorted(), "{numbers:?}");
}

#[tokio::test]
async fn lines_go_with_their_task() {
    let (root, logs) = logs(1 << 20);
    for id in 1..=3 {
        out(&logs.writer(task(id), service()), "x");
    }
    logs.remove(task(1));
    assert_eq!(read(&logs, services(), LogOptions::default()).await.len(), 2);
    // After a restart, what no manager lists is left over.
    let logs = open(root.path(), 1 << 20);
    std::fs::create_dir(root.path().join("not-a-task")).expect("made");
    logs.know(task(2), service());
    logs.retain(&[task(2)].into());
    assert_eq!(read(&logs, services(), LogOptions::default()).await, ["x"]);
    assert_eq!(std::fs::read_dir(root.path()).expect("listed").count(), 2);
}

#[tokio::test]
async fn a_disk_that_takes_nothing_stops_no_task() {
    let (root, logs) = logs(1 << 20);
    let log = logs.writer(task(1), service());
    // A file where the task's folder should be: no line can be written.
    std::fs::write(root.path().join(task(1).to_string()), b"").expect("written");
    out(&log, "lost");
    std::fs::remove_file(root.path().join(task(1).to_string())).expect("removed");
    out(&log, "kept");
    assert_eq!(read(&logs, tasks(&[1]), LogOptions::default()).await, ["kept"]);
}

#[tokio::test]
async fn too_many_tasks_at_once_are_refused() {
    let (_root, logs) = logs(1 << 20);
    for id in 0..=READ_TASKS_MAX as u128 {
        logs.know(task(id), service());
    }
    let refused = logs.read(services(), LogOptions::default()).expect_err("refused");
    assert!(refused.message.contains("1000 tasks at once"), "{refused}");
}
