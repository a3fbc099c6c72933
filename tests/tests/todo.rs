//! The to-do sample, version by version, on one running node: what its README promises.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context, Result, ensure};
use skep_tests::todo::{Shown, Todo, file};
use skep_tests::{Daemon, free_port, http, wait_for};

#[test]
fn the_six_versions_follow_each_other_and_the_items_of_v5_are_served_in_v6() -> Result<()> {
    let daemon = Daemon::start_swarm()?;
    let port = free_port()?;
    let todo = Todo::new(&daemon, port);
    todo.load_images()?;

    todo.deploy(1)?.ok()?;
    one_task_with_a_folder(&todo)?;
    todo.deploy(2)?.ok()?;
    two_tasks_with_two_lists(&todo)?;
    let config = file("config.json");
    daemon.skep(&["config", "create", "todo-config", &config.to_string_lossy()])?.ok()?;
    todo.deploy(3)?.ok()?;
    a_setting_is_missing(&todo)?;
    todo.deploy(4)?.ok()?;
    todo.wait_for_storage("todo-db 1.0")?;
    one_list_for_all_tasks(&todo)?;
    todo.deploy(5)?.ok()?;
    the_database_waits_for_its_label(&daemon, &todo)?;
    let before = items_of_v5(&todo)?;
    todo.deploy(6)?.ok()?;
    let after = todo.wait_for_storage("todo-db 2.0")?;
    assert_eq!(after.items, before.items, "v6 serves what v5 stored");
    todo.add("in v6")?;
    let added = todo.shown()?.items.last().map(|item| item["added"].is_u64());
    assert_eq!(added, Some(true), "release 2 knows when an item was added");
    let kept = todo.shown()?.items;

    todo.remove()?;
    nothing_is_left_but_the_volume(&daemon)?;
    todo.deploy(6)?.ok()?;
    let again = todo.wait_for_storage("todo-db 2.0")?;
    assert_eq!(again.items, kept, "deployed again, v6 serves the old items");
    Ok(())
}

fn one_task_with_a_folder(todo: &Todo<'_>) -> Result<()> {
    let shown = todo.wait_for_storage("/tmp")?;
    assert!(shown.items.is_empty(), "{shown:?}");
    assert!(shown.task.starts_with("todo_web.1."), "{shown:?}");
    let form = todo.form("/add", "title=%3Cb%3Emilk%3C%2Fb%3E+%26+honey")?;
    assert_eq!((form.status, form.header("location")), (303, Some("/")));
    let page = todo.page()?.body;
    assert!(page.contains("&lt;b&gt;milk&lt;/b&gt; &amp; honey"), "{page}");
    assert!(page.contains("todo_web.1."), "{page}");
    assert_eq!(todo.shown()?.titles(), ["<b>milk</b> & honey"]);
    Ok(())
}

/// The lists of the tasks that answer, by task.
fn lists(todo: &Todo<'_>) -> Result<BTreeMap<String, Vec<String>>> {
    let mut lists = BTreeMap::new();
    // Twice as many requests as there are tasks, so that each is asked whoever is first.
    for _ in 0..4 {
        let shown = todo.shown()?;
        lists.insert(shown.task.clone(), shown.titles().into_iter().map(str::to_owned).collect());
    }
    Ok(lists)
}

fn two_tasks_with_two_lists(todo: &Todo<'_>) -> Result<()> {
    wait_for("answers of two tasks", || lists(todo), |lists| lists.len() == 2)?;
    todo.add("only here")?;
    let lists = lists(todo)?;
    let with = lists.values().filter(|list| list.contains(&"only here".to_owned())).count();
    ensure!(lists.len() == 2 && with == 1, "one of two has it: {lists:?}");
    Ok(())
}

fn a_setting_is_missing(todo: &Todo<'_>) -> Result<()> {
    let page = wait_for("a 503", || todo.page(), |page| page.status == 503)?;
    assert!(page.body.contains("the setting `connection` is missing"), "{}", page.body);
    assert!(page.body.contains("/app/config/secrets.json"), "{}", page.body);
    Ok(())
}

fn one_list_for_all_tasks(todo: &Todo<'_>) -> Result<()> {
    wait_for("answers of two tasks", || lists(todo), |lists| lists.len() == 2)?;
    todo.add("for all")?;
    let lists = lists(todo)?;
    let distinct: BTreeSet<_> = lists.values().collect();
    ensure!(distinct == BTreeSet::from([&vec!["for all".to_owned()]]), "{lists:?}");
    Ok(())
}

fn the_database_waits_for_its_label(daemon: &Daemon, todo: &Todo<'_>) -> Result<()> {
    let format = "{{.Name}} {{.Error}}";
    let why = "no suitable node (scheduling constraints not satisfied on 1 node)";
    wait_for(
        "the reason why the database does not run",
        || daemon.skep(&["stack", "ps", "--no-trunc", "--format", format, "todo"])?.ok(),
        |text| text.lines().any(|line| line.starts_with("todo_todo-db.1") && line.contains(why)),
    )?;
    let node = daemon.skep(&["node", "ls", "-q"])?.ok()?;
    daemon.skep(&["node", "update", "--label-add", "storage=raid", node.trim()])?.ok()?;
    let shown = todo.wait_for_storage("todo-db 1.0")?;
    assert!(shown.items.is_empty(), "the volume without a name is not handed on: {shown:?}");
    Ok(())
}

fn items_of_v5(todo: &Todo<'_>) -> Result<Shown> {
    let (milk, bread) = (todo.add("milk")?, todo.add("bread")?);
    todo.add("tea, größer als 1 €")?;
    assert_eq!(todo.form("/tick", &format!("id={milk}&state=done"))?.status, 303);
    assert_eq!(todo.form("/delete", &format!("id={bread}"))?.status, 303);
    let shown = todo.shown()?;
    assert_eq!(shown.titles(), ["milk", "tea, größer als 1 €"]);
    assert_eq!((&shown.items[0]["done"], &shown.items[1]["done"]), (&true.into(), &false.into()));
    Ok(shown)
}

fn nothing_is_left_but_the_volume(daemon: &Daemon) -> Result<()> {
    let quiet = |kind: &str| daemon.skep(&[kind, "ls", "-q"])?.ok();
    assert_eq!(quiet("service")?, "");
    assert_eq!(quiet("secret")?, "", "the stack's own secret goes with it");
    let configs = daemon.skep(&["config", "ls", "--format", "{{.Name}}"])?.ok()?;
    assert_eq!(configs, "todo-config\n", "what was made outside the stack stays");
    let volumes = wait_for(
        "volumes without a name to be gone",
        || quiet("volume"),
        |volumes| volumes.lines().count() == 1,
    )?;
    assert_eq!(volumes, "todo_todo-db-data\n");
    assert_eq!(daemon.skep(&["stack", "ls", "--format", "{{.Name}}"])?.ok()?, "");
    let gone = daemon.skep(&["stack", "ps", "todo"])?.refused()?;
    assert!(gone.contains("nothing found in stack: todo"), "{gone}");
    Ok(())
}

#[test]
fn a_database_killed_with_its_node_loses_no_acknowledged_item() -> Result<()> {
    let mut daemon = Daemon::start_swarm()?;
    let port = free_port()?;
    let node = daemon.skep(&["node", "ls", "-q"])?.ok()?;
    daemon.skep(&["node", "update", "--label-add", "storage=raid", node.trim()])?.ok()?;
    let config = file("config.json");
    daemon.skep(&["config", "create", "todo-config", &config.to_string_lossy()])?.ok()?;
    let todo = Todo::new(&daemon, port);
    todo.load_images()?;
    todo.deploy(5)?.ok()?;
    todo.wait_for_storage("todo-db 1.0")?;
    let mut acknowledged = Vec::new();
    for round in 0..3 {
        let todo = Todo::new(&daemon, port);
        for at in 0..5 {
            let title = format!("{round}.{at}");
            todo.add(&title)?;
            acknowledged.push(title);
        }
        daemon.kill()?;
        daemon.restart()?;
        let shown = Todo::new(&daemon, port).wait_for_storage("todo-db 1.0")?;
        assert_eq!(shown.titles(), acknowledged, "after kill {round}");
    }
    Ok(())
}

/// The stack that shows a config's content by its length and checksum.
fn config_stack(daemon: &Daemon, config: &str) -> Result<std::path::PathBuf> {
    let text = format!(
        "services:\n  show:\n    image: files:1\n    command: [sum, /app/data.bin, wait]\n    configs:\n      \
         - source: data\n        target: /app/data.bin\nconfigs:\n  data:\n    external: true\n    name: {config}\n"
    );
    let path = daemon.folder().join("show.yml");
    fs::write(&path, text)?;
    Ok(path)
}

/// What the guest `files` prints for `sum`.
fn sum(bytes: &[u8]) -> String {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("sum /app/data.bin: {} {hash:016x}", bytes.len())
}

#[test]
fn a_config_is_rotated_the_immutable_way_and_binary_content_comes_back() -> Result<()> {
    let daemon = Daemon::start_swarm()?;
    daemon.load("files", "files:1")?;
    // Every byte there is, line ends of all kinds included, and no text.
    let first: Vec<u8> = (0..5000_u32).map(|at| (at * at % 256) as u8).chain(0..=255).collect();
    let second: Vec<u8> = first.iter().rev().copied().collect();
    for (name, content) in [("data-1", &first), ("data-2", &second)] {
        daemon.skep_input(&["config", "create", name, "-"], content)?.ok()?;
        let shown = daemon.skep(&["config", "inspect", name])?.ok()?;
        let shown: serde_json::Value = serde_json::from_str(&shown)?;
        let data = shown[0]["Spec"]["Data"].as_str().context("no data")?;
        use base64::Engine;
        let data = base64::engine::general_purpose::STANDARD.decode(data)?;
        assert!(data == *content, "{name} comes back byte for byte");
        let deployed = config_stack(&daemon, name)?;
        daemon.skep(&["stack", "deploy", "-c", &deployed.to_string_lossy(), "s"])?.ok()?;
        let expected = sum(content);
        wait_for(
            "the task's line about its config",
            || daemon.skep(&["service", "logs", "--raw", "s_show"])?.ok(),
            |logs| logs.contains(&expected),
        )?;
    }
    let used = daemon.skep(&["config", "rm", "data-2"])?.refused()?;
    assert!(used.contains("config 'data-2' is in use by the following service: s_show"), "{used}");
    daemon.skep(&["config", "rm", "data-1"])?.ok()?;
    Ok(())
}

#[test]
fn a_config_is_shown_exactly_as_it_is() -> Result<()> {
    let daemon = Daemon::start_swarm()?;
    let config = file("config.json");
    daemon.skep(&["config", "create", "todo-config", &config.to_string_lossy()])?.ok()?;
    let pretty = daemon.skep(&["config", "inspect", "--pretty", "todo-config"])?.ok()?;
    assert!(pretty.contains(&fs::read_to_string(config)?), "{pretty}");
    Ok(())
}

#[test]
fn the_page_refuses_what_other_sites_send() -> Result<()> {
    let daemon = Daemon::start_swarm()?;
    let port = free_port()?;
    let todo = Todo::new(&daemon, port);
    daemon.load("todo-web", "todo-web:1.0")?;
    todo.deploy(1)?.ok()?;
    todo.wait_for_storage("/tmp")?;
    let foreign = [("sec-fetch-site", "cross-site")];
    let answer = http::send(port, "POST", "/add", &foreign, b"title=spam")?;
    assert_eq!(answer.status, 403, "{answer:?}");
    let long = format!("title={}", "x".repeat(201));
    assert_eq!(todo.form("/add", &long)?.status, 400);
    assert_eq!(todo.form("/add", &"x".repeat(20_000))?.status, 413);
    assert!(todo.shown()?.items.is_empty());
    Ok(())
}
