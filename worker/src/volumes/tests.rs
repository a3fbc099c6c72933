//! Real folders: what is kept, what is refused, what goes.

use super::*;

fn volumes() -> (tempfile::TempDir, Volumes) {
    let root = tempfile::tempdir().expect("a folder");
    let volumes = Volumes::open(root.path()).expect("opens");
    (root, volumes)
}

fn task(id: u128) -> Id<Task> {
    Id::from_u128(id)
}

/// A task uses a named volume from now on.
fn hold(volumes: &Volumes, id: u128, name: &str) {
    let source = DirSource::Volume(name.to_owned());
    volumes.hold(task(id), &[DirGrant { path: "/data".to_owned(), source, read_only: false }]);
}

fn only(ids: &[u128]) -> BTreeSet<Id<Task>> {
    ids.iter().map(|id| task(*id)).collect()
}

#[test]
fn a_named_volume_is_made_when_first_used_and_found_again() {
    let (root, volumes) = volumes();
    volumes.open_named("db").expect("made").write("items", "milk").expect("written");
    hold(&volumes, 1, "db");
    let made = volumes.inspect("db").expect("there");
    assert_eq!((made.anonymous_of, &made.used_by[..]), (None, &[task(1)][..]));
    assert!(made.created_secs > 0);

    let reopened = Volumes::open(root.path()).expect("opens");
    hold(&reopened, 2, "db");
    let again = reopened.open_named("db").expect("there");
    assert_eq!(again.read("items").expect("read"), b"milk");
    let found = reopened.inspect("db").expect("there");
    assert_eq!((found.created_secs, &found.used_by[..]), (made.created_secs, &[task(2)][..]));
}

#[tokio::test]
async fn a_volume_in_use_is_not_removed() {
    let (root, volumes) = volumes();
    volumes.open_named("db").expect("made");
    hold(&volumes, 1, "db");
    let text = |error: VolumeError| Error::from(error).message;
    let unknown = volumes.remove("db").await.map_err(text);
    assert_eq!(unknown, Err("remove db: the node does not know yet which tasks use it".to_owned()));
    volumes.retain(&only(&[1]));
    let in_use = volumes.remove("db").await.map_err(text);
    assert_eq!(in_use, Err(format!("remove db: volume is in use - [{}]", task(1))));

    volumes.release(task(1));
    volumes.remove("db").await.expect("removed");
    assert_eq!(volumes.list(), []);
    assert_eq!(fs::read_dir(root.path()).expect("listed").count(), 0);
    let gone = volumes.remove("db").await.map_err(text);
    assert_eq!(gone, Err("get db: no such volume".to_owned()));
    assert!(matches!(volumes.inspect("db"), Err(VolumeError::NotFound(_))));
}

#[tokio::test]
async fn an_anonymous_volume_belongs_to_one_task_and_goes_with_it() {
    let (root, volumes) = volumes();
    volumes.open_anonymous(task(1), "/data").expect("made").write("x", "1").expect("written");
    volumes.open_anonymous(task(1), "/more").expect("made");
    volumes.open_anonymous(task(2), "/data").expect("made");
    volumes.open_named("kept").expect("made");
    let names: Vec<String> = volumes.list().into_iter().map(|v| v.name).collect();
    assert!(names.iter().filter(|name| name.len() == 64).count() == 3, "{names:?}");

    // The node restarts: the task finds its data, and managers list task 1 alone.
    let volumes = Volumes::open(root.path()).expect("opens");
    volumes.retain(&only(&[1]));
    let again = volumes.open_anonymous(task(1), "/data").expect("there");
    assert_eq!(again.read("x").expect("read"), b"1");
    let owners: Vec<_> = volumes.list().into_iter().filter_map(|v| v.anonymous_of).collect();
    assert_eq!(owners, [task(1), task(1)]);

    volumes.remove_of(task(1));
    let left: Vec<String> = volumes.list().into_iter().map(|v| v.name).collect();
    assert_eq!(left, ["kept"]);
}

#[test]
fn names_that_could_lead_elsewhere_are_refused() {
    let (_root, volumes) = volumes();
    let long = "x".repeat(NAME_BYTES_MAX);
    for bad in ["", ".", "..", ".hidden", "a/b", "../a", "-a", "ä", "a b", long.as_str()] {
        let refused = volumes.open_named(bad).expect_err(bad);
        assert!(matches!(refused, VolumeError::Name(_)), "{bad}: {refused}");
    }
    for good in ["a", "9", "todo_todo-db-data", "A.b"] {
        volumes.open_named(good).expect(good);
    }
}

#[test]
fn what_a_crash_left_half_made_or_half_removed_is_cleared_and_damage_costs_no_data() {
    let (root, volumes) = volumes();
    volumes.open_named("db").expect("made").write("x", "1").expect("written");
    fs::write(root.path().join("db").join(METADATA), b"{ torn").expect("damaged");
    fs::create_dir_all(root.path().join(".new-a").join(DATA)).expect("made");
    fs::create_dir_all(root.path().join(".removed-b").join(DATA)).expect("made");
    let volumes = Volumes::open(root.path()).expect("opens");
    assert_eq!(volumes.list().len(), 1);
    let dir = volumes.open_named("db").expect("there");
    assert_eq!(dir.read("x").expect("read"), b"1");
    assert_eq!(fs::read_dir(root.path()).expect("listed").count(), 1);
}

#[test]
fn no_path_leads_out_of_a_volume() {
    let (_root, volumes) = volumes();
    let dir = volumes.open_named("a").expect("made");
    volumes.open_named("b").expect("made").write("x", "1").expect("written");
    assert!(dir.read("../../b/_data/x").is_err());
    dir.symlink("../../b/_data", "out").expect("a link may be made");
    assert!(dir.read("out/x").is_err(), "and leads nowhere");
}
