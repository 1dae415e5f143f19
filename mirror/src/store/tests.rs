use std::sync::atomic::{AtomicUsize, Ordering};

use cmp_core::state::State;
use cmp_core::vocabulary::InstanceType;

use super::*;

/// A temporary folder, removed on drop.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("cmp-mirror-tests-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("mirror.db")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn size() -> Resources {
    Resources::from_list("cpu=2,memory=4Gi").unwrap()
}

/// Returns an observation of instances in cluster web, each with a state and an evidence number.
fn seen(instances: &[(&str, State, u32)]) -> Seen {
    let mut seen = Seen::default();
    for (name, state, evidence) in instances {
        let value = Lived {
            owner: "john".parse().unwrap(),
            cluster: "web".parse().unwrap(),
            cluster_uid: "n-1".to_owned(),
            instance: name.parse().unwrap(),
            kind: InstanceType::Container,
            state: *state,
            paused: false,
            by: (*state == State::Suspended).then(|| "john".to_owned()),
            size: size(),
        };
        let key = ("web-ns".to_owned(), format!("uid-of-{name}"));
        seen.instances.insert(key, Fact { value, evidence: evidence.to_string() });
    }
    seen.charges.insert(("john".to_owned(), "web".to_owned()), Fact { value: size(), evidence: "7".to_owned() });
    seen.quotas.insert(("john".to_owned(), String::new()), Fact { value: size(), evidence: "7".to_owned() });
    seen
}

fn now(store: &mut Store, second: i64, instances: &[(&str, State, u32)]) {
    store.see(at(second), &["web-ns".to_owned()], &["john".to_owned()], &seen(instances)).unwrap();
}

fn told(path: &Path) -> String {
    let history = History::open(path).unwrap();
    let second = |time: Timestamp| time.as_second() - 1_800_000_000;
    let spans = history.spans(at(0), at(1000)).unwrap().into_iter().map(|span| {
        assert_eq!((span.size.clone(), span.cluster_uid.as_str(), span.owner.as_str()), (size(), "n-1", "john"));
        assert_eq!(span.by.is_some(), span.state == State::Suspended);
        format!("{} {} {}..{}", span.instance, span.state, second(span.from), second(span.until))
    });
    let watched = history.watched().unwrap();
    let watched = watched.into_iter().map(|watched| format!("{}..{}", second(watched.from), second(watched.until)));
    format!("{}; watched {}", spans.collect::<Vec<_>>().join(", "), watched.collect::<Vec<_>>().join(", "))
}

#[test]
fn recorded_spans_are_read_back_and_continue_after_a_restart() {
    let folder = Folder::new();
    let path = folder.file();
    let mut store = Store::open(&path).unwrap();
    store.of_cluster("a").unwrap();
    store.begin(at(0), seen(&[("web-0", State::Pending, 1)])).unwrap();
    now(&mut store, 2, &[("web-0", State::Running, 1), ("web-1", State::Running, 1)]);
    now(&mut store, 5, &[("web-0", State::Suspended, 2), ("web-1", State::Running, 1)]);
    // Read while the writer is active.
    assert_eq!(told(&path), "web-0 pending 0..2, web-0 running 2..5, web-1 running 2..5; watched 0..5");
    now(&mut store, 6, &[("web-0", State::Suspended, 2)]);
    store.beat(at(9)).unwrap();
    store.close().unwrap();
    let before = "web-0 pending 0..2, web-0 running 2..5, web-1 running 2..6, web-0 suspended 5..9";
    assert_eq!(told(&path), format!("{before}; watched 0..9"));
    // A gap in observation. An unchanged instance has continued; for a changed one nobody knows.
    let mut store = Store::open(&path).unwrap();
    store.of_cluster("a").unwrap();
    store.begin(at(20), seen(&[("web-0", State::Suspended, 2), ("web-1", State::Running, 1)])).unwrap();
    now(&mut store, 25, &[("web-0", State::Running, 3), ("web-1", State::Running, 1)]);
    store.beat(at(30)).unwrap();
    drop(store);
    let before = before.replace("web-0 suspended 5..9", "web-0 suspended 5..25");
    assert_eq!(told(&path), format!("{before}, web-1 running 20..30, web-0 running 25..30; watched 0..9, 20..30"));
    let history = History::open(&path).unwrap();
    assert_eq!(history.spans(at(26), at(28)).unwrap().len(), 2);
    // The account was not written during the gap.
    let charged = Charged { owner: "john".into(), cluster: "web".into(), amounts: size(), from: at(0), until: at(30) };
    assert_eq!(history.charges(at(0), at(99)).unwrap(), [charged]);
    let allowed = Allowed { owner: "john".into(), amounts: size(), from: at(0), until: at(30) };
    assert_eq!(history.quotas(at(0), at(99)).unwrap(), [allowed]);
}

#[test]
fn a_clock_that_is_set_back_makes_no_time_end_before_it_began() {
    let folder = Folder::new();
    let mut store = Store::open(&folder.file()).unwrap();
    store.begin(at(10), seen(&[("web-0", State::Pending, 1)])).unwrap();
    now(&mut store, 3, &[("web-0", State::Running, 1)]);
    now(&mut store, 12, &[("web-0", State::Running, 1)]);
    drop(store);
    assert_eq!(told(&folder.file()), "web-0 running 10..12; watched 10..12");
}

#[test]
fn one_writes_at_a_time() {
    let folder = Folder::new();
    let path = folder.file();
    let store = Store::open(&path).unwrap();
    let refused = Store::open(&path).err().unwrap();
    assert_eq!(refused.to_string(), format!("another mirror is writing {}", path.display()));
    drop(store);
    Store::open(&path).unwrap();
}

#[test]
fn a_file_of_something_else_is_left_alone() {
    let folder = Folder::new();
    let path = folder.file();
    let refused = |expected: &str| {
        let before = std::fs::read(&path).unwrap();
        for error in [Store::open(&path).err().unwrap(), History::open(&path).err().unwrap()] {
            assert!(error.to_string().contains(expected), "{error}");
        }
        assert_eq!(std::fs::read(&path).unwrap(), before, "it is as it was");
    };
    assert!(matches!(History::open(&path), Err(StoreError::Missing(_))));
    std::fs::write(&path, "a letter to somebody, which is longer than the head of a file of SQLite".repeat(99))
        .unwrap();
    refused("is not a file of the mirror of cmp");
    std::fs::remove_file(&path).unwrap();
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE letters (a)").unwrap();
    refused("is not a file of the mirror of cmp");
    std::fs::remove_file(&path).unwrap();
    drop(Store::open(&path).unwrap());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", SCHEMA + 1).unwrap();
    refused(&format!("written by a later version of cmp: its layout is {}", SCHEMA + 1));
}

#[test]
fn a_file_is_of_one_cluster() {
    let folder = Folder::new();
    let mut store = Store::open(&folder.file()).unwrap();
    store.of_cluster("a").unwrap();
    store.of_cluster("a").unwrap();
    assert!(matches!(store.of_cluster("b"), Err(StoreError::OtherCluster(_))));
}

#[test]
fn a_copy_is_whole_while_it_is_written() {
    let folder = Folder::new();
    let mut store = Store::open(&folder.file()).unwrap();
    store.begin(at(0), seen(&[("web-0", State::Running, 1)])).unwrap();
    store.beat(at(4)).unwrap();
    let copy = folder.0.join("copy.db");
    History::open(&folder.file()).unwrap().copy_to(&copy).unwrap();
    store.beat(at(8)).unwrap();
    assert_eq!(told(&copy), "web-0 running 0..4; watched 0..4");
    // The copy needs no companion files: it can be read in a folder that cannot be written.
    let beside = std::fs::read_dir(&folder.0)
        .unwrap()
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("copy"));
    assert_eq!(beside.count(), 1);
}

#[test]
fn a_transaction_is_stored_whole_or_not_at_all() {
    let folder = Folder::new();
    let path = folder.file();
    let mut store = Store::open(&path).unwrap();
    store.begin(at(0), seen(&[("web-0", State::Running, 1)])).unwrap();
    store.beat(at(3)).unwrap();
    // Simulate a kill at each moment: copy the files as they are, without the clean-up of a process that exits.
    let mut whole = Vec::new();
    for second in 4..40 {
        let state = if second % 2 == 0 { State::Suspended } else { State::Running };
        now(&mut store, second, &[("web-0", state, 1), ("web-1", state, 1)]);
        let killed = Folder::new();
        for name in ["mirror.db", "mirror.db-wal"] {
            std::fs::copy(folder.0.join(name), killed.0.join(name)).unwrap();
        }
        // Also simulate a kill in the middle of a write.
        let log = killed.0.join("mirror.db-wal");
        let length = std::fs::metadata(&log).unwrap().len();
        std::fs::OpenOptions::new()
            .write(true)
            .open(&log)
            .unwrap()
            .set_len(length.saturating_sub(u64::try_from(second).unwrap() * 331))
            .unwrap();
        let reopened = Store::open(&killed.file()).unwrap();
        let check: String = reopened.db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(check, "ok");
        let unpaired: i64 = reopened
            .db
            .query_row("SELECT abs(count(*) - 2 * count(DISTINCT started)) FROM spans WHERE started > (SELECT min(started) FROM spans) AND ended IS NULL", [], |row| row.get(0))
            .unwrap();
        assert_eq!(unpaired, 0, "both instances changed, or neither");
        whole.push(reopened.instances());
        drop(reopened);
        told(&killed.file());
    }
    assert!(whole.contains(&2), "{whole:?}");
}

#[test]
fn an_unwritable_path_is_an_error() {
    let folder = Folder::new();
    let path = folder.0.join("nowhere").join("mirror.db");
    let error = Store::open(&path).err().unwrap();
    assert!(error.to_string().contains("cannot be written: No such file or directory"), "{error}");
    // No room: limit the file to its current number of pages.
    let mut store = Store::open(&folder.file()).unwrap();
    store.begin(at(0), seen(&[("web-0", State::Running, 1)])).unwrap();
    store.db.pragma_update(None, "max_page_count", 1).unwrap();
    let mut many: Vec<(String, State, u32)> = Vec::new();
    many.extend((0..900).map(|index| (format!("web-{index}"), State::Running, 1)));
    let many: Vec<(&str, State, u32)> =
        many.iter().map(|(name, state, evidence)| (name.as_str(), *state, *evidence)).collect();
    let error = store.see(at(1), &["web-ns".to_owned()], &[], &seen(&many)).err().unwrap();
    assert!(error.to_string().starts_with("there is no room left for "), "{error}");
    drop(store);
    assert_eq!(told(&folder.file()), "; watched 0..0");
}

#[cfg(unix)]
#[test]
fn the_file_is_readable_by_its_owner_only_and_links_are_refused() {
    use std::os::unix::fs::{PermissionsExt, symlink};

    let folder = Folder::new();
    let mut store = Store::open(&folder.file()).unwrap();
    store.begin(at(0), seen(&[("web-0", State::Running, 1)])).unwrap();
    History::open(&folder.file()).unwrap().copy_to(&folder.0.join("copy.db")).unwrap();
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&folder.0).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{name}");
        names.push(name);
    }
    names.sort();
    assert_eq!(names, ["copy.db", "mirror.db", "mirror.db-lock", "mirror.db-shm", "mirror.db-wal"]);
    drop(store);
    told(&folder.0.join("copy.db"));

    // Another user with write access to the folder has put links there.
    let other = Folder::new();
    std::fs::write(other.0.join("victim"), "").unwrap();
    for (at, target) in [("link.db", "victim"), ("dangling.db", "nowhere"), ("db-lock", "victim")] {
        symlink(other.0.join(target), other.0.join(at)).unwrap();
    }
    for name in ["link.db", "dangling.db", "db"] {
        let error = Store::open(&other.0.join(name)).err().unwrap().to_string();
        assert!(error.contains("cannot be written: it is a symbolic link"), "{name}: {error}");
    }
    assert_eq!(std::fs::read(other.0.join("victim")).unwrap(), b"");
    assert!(!other.0.join("nowhere").exists());
    // The path of the folder may contain a link, as /tmp does on some machines.
    symlink(&folder.0, other.0.join("folder")).unwrap();
    drop(Store::open(&other.0.join("folder").join("mirror.db")).unwrap());
}

#[test]
fn a_user_is_known_by_any_record() {
    let folder = Folder::new();
    let path = folder.file();
    let mut store = Store::open(&path).unwrap();
    let mut first = seen(&[("web-0", State::Running, 1)]);
    first.charges.insert(("mary".to_owned(), "db".to_owned()), Fact { value: size(), evidence: "7".to_owned() });
    first.quotas.insert(("anna".to_owned(), String::new()), Fact { value: size(), evidence: "7".to_owned() });
    first.charges.remove(&("john".to_owned(), "web".to_owned()));
    first.quotas.remove(&("john".to_owned(), String::new()));
    store.begin(at(0), first).unwrap();
    store.close().unwrap();
    let history = History::open(&path).unwrap();
    let known = ["john", "mary", "anna", "jane", "joh"].map(|name| history.knows(&name.parse().unwrap()).unwrap());
    assert_eq!(known, [true, true, true, false, false]);
}
