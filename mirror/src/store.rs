//! The file of the mirror: one writer, any number of readers, consistent after every crash.
//!
//! SQLite makes every write atomic, even if the process is killed in the middle of it. Times are milliseconds since
//! 1970.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode, OpenFlags, Row, Transaction, params};

use cmp_client::private;
use cmp_core::name::{ClusterName, UserName};
use cmp_core::resources::Resources;
use cmp_core::usage::{Span, Watched};

use crate::timeline::{Fact, Key, Open, Scope, Step, Timeline};
use crate::world::{Lived, Seen};

/// The layout of the file. A file with a later layout is not changed.
const SCHEMA: i32 = 1;
/// The SQLite application id that marks a file as ours: "cmpm".
const APPLICATION: i32 = 0x636d_706d;
/// How long a write waits for a reader, which blocks it only for the moment of its beginning.
const BUSY: Duration = Duration::from_secs(5);

const LAYOUT: &str = "
CREATE TABLE mirror (cluster TEXT NOT NULL) STRICT;
CREATE TABLE watched (id INTEGER PRIMARY KEY, started INTEGER NOT NULL, ended INTEGER NOT NULL CHECK (ended >= started)) STRICT;
CREATE TABLE clusters (uid TEXT PRIMARY KEY, name TEXT NOT NULL, owner TEXT NOT NULL) STRICT;
CREATE TABLE instances (uid TEXT PRIMARY KEY, cluster TEXT NOT NULL REFERENCES clusters (uid), name TEXT NOT NULL, type TEXT NOT NULL) STRICT;
CREATE TABLE spans (
  id INTEGER PRIMARY KEY, instance TEXT NOT NULL REFERENCES instances (uid), state TEXT NOT NULL, paused INTEGER NOT NULL,
  suspended_by TEXT, size TEXT NOT NULL, evidence TEXT NOT NULL, started INTEGER NOT NULL, ended INTEGER CHECK (ended > started)
) STRICT;
CREATE UNIQUE INDEX spans_open ON spans (instance) WHERE ended IS NULL;
CREATE INDEX spans_ended ON spans (ended);
CREATE TABLE charges (
  id INTEGER PRIMARY KEY, owner TEXT NOT NULL, cluster TEXT NOT NULL, amounts TEXT NOT NULL, evidence TEXT NOT NULL,
  started INTEGER NOT NULL, ended INTEGER CHECK (ended > started)
) STRICT;
CREATE UNIQUE INDEX charges_open ON charges (owner, cluster) WHERE ended IS NULL;
CREATE TABLE quotas (
  id INTEGER PRIMARY KEY, owner TEXT NOT NULL, amounts TEXT NOT NULL, evidence TEXT NOT NULL,
  started INTEGER NOT NULL, ended INTEGER CHECK (ended > started)
) STRICT;
CREATE UNIQUE INDEX quotas_open ON quotas (owner) WHERE ended IS NULL;
CREATE VIEW history AS
  SELECT clusters.owner AS owner, clusters.name AS cluster, instances.name AS instance, state, paused, suspended_by, size,
    strftime('%Y-%m-%dT%H:%M:%fZ', started / 1000.0, 'unixepoch') AS started,
    strftime('%Y-%m-%dT%H:%M:%fZ', ended / 1000.0, 'unixepoch') AS ended
  FROM spans JOIN instances ON instances.uid = spans.instance JOIN clusters ON clusters.uid = instances.cluster
  ORDER BY spans.started;
";

/// An error of the file.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file to read does not exist.
    #[error("{} does not exist", .0.display())]
    Missing(PathBuf),
    /// The path is that of a folder.
    #[error("{} is a folder, and not a file", .0.display())]
    Folder(PathBuf),
    /// Another process writes the file.
    #[error("another mirror is writing {}", .0.display())]
    Taken(PathBuf),
    /// The file is not a mirror.
    #[error("{} is not a file of the mirror of cmp", .0.display())]
    Foreign(PathBuf),
    /// A later version wrote the file.
    #[error("{} was written by a later version of cmp: its layout is {found}, and this one knows {SCHEMA}", path.display())]
    Newer {
        /// The path of the file.
        path: PathBuf,
        /// The layout version found in the file.
        found: i32,
    },
    /// The file is the mirror of another Kubernetes cluster.
    #[error("{} is the mirror of another Kubernetes cluster", .0.display())]
    OtherCluster(PathBuf),
    /// The file cannot be written.
    #[error("{} cannot be written: {why}", path.display())]
    NotWritable {
        /// The path of the file.
        path: PathBuf,
        /// The reason why the file cannot be written.
        why: String,
    },
    /// The disk is full.
    #[error("there is no room left for {}", .0.display())]
    Full(PathBuf),
    /// The content of the file cannot be read.
    #[error("{} is damaged: {why}", path.display())]
    Damaged {
        /// The path of the file.
        path: PathBuf,
        /// The content that cannot be read.
        why: String,
    },
    /// Any other error of SQLite or of the file system.
    #[error("{}: {why}", path.display())]
    Other {
        /// The path of the file.
        path: PathBuf,
        /// The message of the error.
        why: String,
    },
}

impl StoreError {
    fn of(path: &Path, error: &rusqlite::Error) -> Self {
        let (path, why) = (path.to_owned(), error.to_string());
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full(path),
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Self::NotWritable { path, why },
            Some(ErrorCode::NotADatabase) => Self::Foreign(path),
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged { path, why },
            _ => match error {
                rusqlite::Error::FromSqlConversionFailure(..) | rusqlite::Error::InvalidColumnType(..) => {
                    Self::Damaged { path, why }
                }
                _ => Self::Other { path, why },
            },
        }
    }
}

/// The result of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    /// Number of periods of instances that began or ended.
    pub spans: u64,
}

/// The file, opened for writing.
pub struct Store {
    path: PathBuf,
    db: Connection,
    instances: Timeline<Lived>,
    charges: Timeline<Resources>,
    quotas: Timeline<Resources>,
    /// The end of the last watched period.
    last: Option<i64>,
    /// The row of `watched` that is still growing.
    watched: Option<i64>,
    // Released last: the lock outlives the connection.
    lock: File,
}

impl Store {
    /// Opens the file, and creates it if it does not exist.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        if path.is_dir() {
            return Err(StoreError::Folder(path.to_owned()));
        }
        let file = place(path)?;
        let lock = lock(path)?;
        let failed = |error: rusqlite::Error| StoreError::of(path, &error);
        let flags =
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NOFOLLOW | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut db = Connection::open_with_flags(file, flags).map_err(|error| match error.sqlite_error_code() {
            Some(ErrorCode::CannotOpen) => {
                StoreError::NotWritable { path: path.to_owned(), why: "it cannot be opened".to_owned() }
            }
            _ => StoreError::of(path, &error),
        })?;
        db.busy_timeout(BUSY).map_err(failed)?;
        if is_ours(path, &db)? {
            if db.is_readonly("main").map_err(failed)? {
                return Err(StoreError::NotWritable { path: path.to_owned(), why: "it is read-only".to_owned() });
            }
        } else {
            let layout = db.transaction().map_err(failed)?;
            layout.execute_batch(LAYOUT).map_err(failed)?;
            layout.pragma_update(None, "application_id", APPLICATION).map_err(failed)?;
            layout.pragma_update(None, "user_version", SCHEMA).map_err(failed)?;
            layout.commit().map_err(failed)?;
        }
        // Readers do not wait for the writer, nor the writer for them. A power failure loses only the last moments.
        db.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
        db.pragma_update(None, "synchronous", "NORMAL").map_err(failed)?;
        let (instances, charges, quotas) = (open_spans(path, &db)?, open_charges(path, &db)?, open_quotas(path, &db)?);
        let last = db.query_row("SELECT max(ended) FROM watched", [], |row| row.get(0)).map_err(failed)?;
        Ok(Self { path: path.to_owned(), db, instances, charges, quotas, last, watched: None, lock })
    }

    /// Ties the file to the Kubernetes cluster with this uid, or fails if the file belongs to another cluster.
    pub fn of_cluster(&mut self, uid: &str) -> Result<(), StoreError> {
        let failed = |error: rusqlite::Error| StoreError::of(&self.path, &error);
        let known: Option<String> =
            self.db.query_row("SELECT max(cluster) FROM mirror", [], |row| row.get(0)).map_err(failed)?;
        match known {
            Some(known) if known == uid => Ok(()),
            Some(_) => Err(StoreError::OtherCluster(self.path.clone())),
            None => self.db.execute("INSERT INTO mirror VALUES (?1)", [uid]).map(|_| ()).map_err(failed),
        }
    }

    /// Applies a complete observation after a gap; from now on every change is observed.
    pub fn begin(&mut self, at: Timestamp, seen: Seen) -> Result<Written, StoreError> {
        let at = self.not_before_the_last(at);
        let (unwatched_since, scope) = (self.last, Scope::Everywhere);
        // The first run of all has nothing before it.
        let unwatched_since = unwatched_since.or(Some(at));
        let instances = self.instances.see(scope, seen.instances, at, unwatched_since);
        let charges = self.charges.see(scope, seen.charges, at, unwatched_since);
        let quotas = self.quotas.see(scope, seen.quotas, at, unwatched_since);
        let (path, now) = (self.path.clone(), at);
        let failed = |error: rusqlite::Error| StoreError::of(&path, &error);
        let write = self.db.transaction().map_err(failed)?;
        write_instances(&write, &instances).map_err(failed)?;
        write_charges(&write, &charges).map_err(failed)?;
        write_quotas(&write, &quotas).map_err(failed)?;
        write.execute("INSERT INTO watched (started, ended) VALUES (?1, ?1)", [now]).map_err(failed)?;
        let row = write.last_insert_rowid();
        write.commit().map_err(failed)?;
        (self.watched, self.last) = (Some(row), Some(at));
        Ok(written(&instances))
    }

    /// Applies an observation that is complete for these Namespaces and users. Nothing else has changed.
    pub fn see(
        &mut self,
        at: Timestamp,
        places: &[String],
        users: &[String],
        seen: &Seen,
    ) -> Result<Written, StoreError> {
        let at = self.not_before_the_last(at);
        let mut instances = Vec::new();
        for place in places {
            instances.extend(self.instances.see(Scope::Place(place), of(&seen.instances, place), at, None));
        }
        let (mut charges, mut quotas) = (Vec::new(), Vec::new());
        for user in users {
            charges.extend(self.charges.see(Scope::Place(user), of(&seen.charges, user), at, None));
            quotas.extend(self.quotas.see(Scope::Place(user), of(&seen.quotas, user), at, None));
        }
        let path = self.path.clone();
        let failed = |error: rusqlite::Error| StoreError::of(&path, &error);
        let write = self.db.transaction().map_err(failed)?;
        write_instances(&write, &instances).map_err(failed)?;
        write_charges(&write, &charges).map_err(failed)?;
        write_quotas(&write, &quotas).map_err(failed)?;
        write.execute("UPDATE watched SET ended = ?1 WHERE id = ?2", params![at, self.watched]).map_err(failed)?;
        write.commit().map_err(failed)?;
        self.last = Some(at);
        Ok(written(&instances))
    }

    /// Records that nothing has changed until `at`.
    pub fn beat(&mut self, at: Timestamp) -> Result<(), StoreError> {
        self.see(at, &[], &[], &Seen::default()).map(|_| ())
    }

    /// Returns the number of instances.
    pub fn instances(&self) -> usize {
        self.instances.len()
    }

    /// Closes the file: SQLite merges its log into it.
    pub fn close(self) -> Result<(), StoreError> {
        let Self { path, db, lock, .. } = self;
        db.close().map_err(|(_, error)| StoreError::of(&path, &error))?;
        // Unlock explicitly instead of closing the lock file: a child process that is just being started holds a copy
        // of it for a moment.
        lock.unlock().map_err(|error| StoreError::Other { path, why: error.to_string() })
    }

    /// Ensures that a clock that was set back does not end a period before it began.
    fn not_before_the_last(&self, at: Timestamp) -> i64 {
        self.last.map_or(at.as_millisecond(), |last| last.max(at.as_millisecond()))
    }
}

fn of<V: Clone>(seen: &std::collections::BTreeMap<Key, Fact<V>>, place: &str) -> Vec<(Key, Fact<V>)> {
    let there = seen.range((place.to_owned(), String::new())..).take_while(|((at, _), _)| at == place);
    there.map(|(key, fact)| (key.clone(), fact.clone())).collect()
}

fn written<V>(steps: &[Step<V>]) -> Written {
    let spans = steps.iter().filter(|step| !matches!(step, Step::Note { .. })).count();
    Written { spans: u64::try_from(spans).unwrap_or(u64::MAX) }
}

/// Resolves the path of the file, and creates the file for its owner alone if it does not exist. A symbolic link is
/// refused. SQLite gives its companion files the same mode. SQLite follows no link in any part of the path
/// (`NOFOLLOW`), so the folder is resolved first.
fn place(path: &Path) -> Result<PathBuf, StoreError> {
    let not_writable = |why: String| StoreError::NotWritable { path: path.to_owned(), why };
    let refused = |error: io::Error| not_writable(error.to_string());
    let Some(name) = path.file_name() else { return Err(not_writable("it is not the name of a file".to_owned())) };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let file = folder.canonicalize().map_err(refused)?.join(name);
    match private::create(&file) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(refused(error)),
        _ => {}
    }
    if file.symlink_metadata().map_err(refused)?.is_symlink() {
        return Err(not_writable("it is a symbolic link: name the file itself".to_owned()));
    }
    Ok(file)
}

/// Takes the lock of the writer, for as long as the caller keeps the returned file. The lock is a separate file. SQLite
/// would lose its own locks if somebody else in this process opened and closed one of its files.
fn lock(path: &Path) -> Result<File, StoreError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push("-lock");
    let refused = |error: io::Error| StoreError::NotWritable { path: path.to_owned(), why: error.to_string() };
    let file = private::open(Path::new(&beside)).map_err(refused)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Taken(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(refused(error)),
    }
}

/// Reports whether the file is a mirror, `false` if it is empty. Anything else is an error.
fn is_ours(path: &Path, db: &Connection) -> Result<bool, StoreError> {
    let failed = |error: rusqlite::Error| StoreError::of(path, &error);
    let number = |name: &str| db.pragma_query_value(None, name, |row| row.get::<_, i32>(0)).map_err(failed);
    let (application, version) = (number("application_id")?, number("user_version")?);
    let objects: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(failed)?;
    match (application, version) {
        (APPLICATION, SCHEMA) => Ok(true),
        (APPLICATION, found) if found > SCHEMA => Err(StoreError::Newer { path: path.to_owned(), found }),
        (0, 0) if objects == 0 => Ok(false),
        _ => Err(StoreError::Foreign(path.to_owned())),
    }
}

fn text(amounts: &Resources) -> Result<String, rusqlite::Error> {
    serde_json::to_string(amounts).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

fn write_instances(write: &Transaction<'_>, steps: &[Step<Lived>]) -> Result<(), rusqlite::Error> {
    for step in steps {
        match step {
            Step::End { key: (_, uid), from, until } if until > from => {
                write.execute(
                    "UPDATE spans SET ended = ?2 WHERE instance = ?1 AND ended IS NULL",
                    params![uid, until],
                )?;
            }
            Step::End { key: (_, uid), .. } => {
                write.execute("DELETE FROM spans WHERE instance = ?1 AND ended IS NULL", [uid])?;
            }
            Step::Begin { key: (_, uid), fact: Fact { value, evidence }, from } => {
                let Lived { owner, cluster, cluster_uid, instance, kind, state, paused, by, size } = value;
                write.execute(
                    "INSERT INTO clusters VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
                    params![cluster_uid, cluster.as_str(), owner.as_str()],
                )?;
                write.execute(
                    "INSERT INTO instances VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
                    params![uid, cluster_uid, instance.to_string(), kind.as_str()],
                )?;
                write.execute(
                    "INSERT INTO spans (instance, state, paused, suspended_by, size, evidence, started) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                    params![uid, state.as_str(), paused, by, text(size)?, evidence, from],
                )?;
            }
            Step::Note { key: (_, uid), evidence } => {
                write.execute(
                    "UPDATE spans SET evidence = ?2 WHERE instance = ?1 AND ended IS NULL",
                    params![uid, evidence],
                )?;
            }
        }
    }
    Ok(())
}

fn write_charges(write: &Transaction<'_>, steps: &[Step<Resources>]) -> Result<(), rusqlite::Error> {
    const OPEN: &str = "WHERE owner = ?1 AND cluster = ?2 AND ended IS NULL";
    for step in steps {
        match step {
            Step::End { key: (owner, cluster), from, until } if until > from => {
                write.execute(&format!("UPDATE charges SET ended = ?3 {OPEN}"), params![owner, cluster, until])?;
            }
            Step::End { key: (owner, cluster), .. } => {
                write.execute(&format!("DELETE FROM charges {OPEN}"), params![owner, cluster])?;
            }
            Step::Begin { key: (owner, cluster), fact: Fact { value, evidence }, from } => {
                write.execute(
                    "INSERT INTO charges (owner, cluster, amounts, evidence, started) VALUES (?1, ?2, ?3, ?4, ?5)",
                    params![owner, cluster, text(value)?, evidence, from],
                )?;
            }
            Step::Note { key: (owner, cluster), evidence } => {
                write
                    .execute(&format!("UPDATE charges SET evidence = ?3 {OPEN}"), params![owner, cluster, evidence])?;
            }
        }
    }
    Ok(())
}

fn write_quotas(write: &Transaction<'_>, steps: &[Step<Resources>]) -> Result<(), rusqlite::Error> {
    const OPEN: &str = "WHERE owner = ?1 AND ended IS NULL";
    for step in steps {
        match step {
            Step::End { key: (owner, _), from, until } if until > from => {
                write.execute(&format!("UPDATE quotas SET ended = ?2 {OPEN}"), params![owner, until])?;
            }
            Step::End { key: (owner, _), .. } => {
                write.execute(&format!("DELETE FROM quotas {OPEN}"), params![owner])?;
            }
            Step::Begin { key: (owner, _), fact: Fact { value, evidence }, from } => {
                write.execute(
                    "INSERT INTO quotas (owner, amounts, evidence, started) VALUES (?1, ?2, ?3, ?4)",
                    params![owner, text(value)?, evidence, from],
                )?;
            }
            Step::Note { key: (owner, _), evidence } => {
                write.execute(&format!("UPDATE quotas SET evidence = ?2 {OPEN}"), params![owner, evidence])?;
            }
        }
    }
    Ok(())
}

/// Parses the text value of a column.
fn column<T>(row: &Row<'_>, name: &str) -> Result<T, rusqlite::Error>
where
    T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    let text: String = row.get(name)?;
    text.parse().map_err(|error| unreadable(Box::new(error)))
}

fn unreadable(error: Box<dyn std::error::Error + Send + Sync>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, error)
}

fn amounts(row: &Row<'_>, name: &str) -> Result<Resources, rusqlite::Error> {
    let text: String = row.get(name)?;
    serde_json::from_str(&text).map_err(|error| unreadable(Box::new(error)))
}

const SPANS: &str =
    "SELECT clusters.owner, clusters.name AS cluster, clusters.uid AS cluster_uid, instances.name AS instance,
  instances.uid AS uid, instances.type AS type, state, paused, suspended_by, size, evidence, started, ended
  FROM spans JOIN instances ON instances.uid = spans.instance JOIN clusters ON clusters.uid = instances.cluster";

fn lived(row: &Row<'_>) -> Result<Lived, rusqlite::Error> {
    let (state, kind): (String, String) = (row.get("state")?, row.get("type")?);
    let words = |text: String| serde_json::Value::from(text);
    Ok(Lived {
        owner: column(row, "owner")?,
        cluster: column(row, "cluster")?,
        cluster_uid: row.get("cluster_uid")?,
        instance: column(row, "instance")?,
        kind: kind.parse().map_err(|_| unreadable(format!("{kind:?} is no type").into()))?,
        state: serde_json::from_value(words(state)).map_err(|error| unreadable(Box::new(error)))?,
        paused: row.get("paused")?,
        by: row.get("suspended_by")?,
        size: amounts(row, "size")?,
    })
}

fn open_spans(path: &Path, db: &Connection) -> Result<Timeline<Lived>, StoreError> {
    rows(path, db, &format!("{SPANS} WHERE ended IS NULL"), [], |row| {
        let (value, uid, evidence) = (lived(row)?, row.get("uid")?, row.get("evidence")?);
        let key = (value.cluster.namespace(), uid);
        Ok((key, Open { fact: Fact { value, evidence }, from: row.get("started")? }))
    })
}

fn open_charges(path: &Path, db: &Connection) -> Result<Timeline<Resources>, StoreError> {
    rows(path, db, "SELECT * FROM charges WHERE ended IS NULL", [], |row| {
        let fact = Fact { value: amounts(row, "amounts")?, evidence: row.get("evidence")? };
        Ok(((row.get("owner")?, row.get("cluster")?), Open { fact, from: row.get("started")? }))
    })
}

fn open_quotas(path: &Path, db: &Connection) -> Result<Timeline<Resources>, StoreError> {
    rows(path, db, "SELECT * FROM quotas WHERE ended IS NULL", [], |row| {
        let fact = Fact { value: amounts(row, "amounts")?, evidence: row.get("evidence")? };
        Ok(((row.get("owner")?, String::new()), Open { fact, from: row.get("started")? }))
    })
}

fn rows<T, C, P>(
    path: &Path,
    db: &Connection,
    sql: &str,
    values: P,
    read: impl FnMut(&Row<'_>) -> Result<T, rusqlite::Error>,
) -> Result<C, StoreError>
where
    C: FromIterator<T>,
    P: rusqlite::Params,
{
    let collect = || db.prepare(sql)?.query_map(values, read)?.collect::<Result<C, rusqlite::Error>>();
    collect().map_err(|error| StoreError::of(path, &error))
}

/// The resources that were charged for a cluster during a period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charged {
    /// The user who was charged.
    pub owner: String,
    /// The cluster that was charged for.
    pub cluster: String,
    /// The amount that was charged.
    pub amounts: Resources,
    /// The begin of the period.
    pub from: Timestamp,
    /// The end of the period.
    pub until: Timestamp,
}

/// The quota of a user during a period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    /// The user who had the quota.
    pub owner: String,
    /// The amount of the quota.
    pub amounts: Resources,
    /// The begin of the period.
    pub from: Timestamp,
    /// The end of the period.
    pub until: Timestamp,
}

/// Selects the periods that overlap ?1 to ?2; an open period ends at ?3. A period that begins exactly at ?2 is not
/// included.
const BETWEEN: &str = "started < ?2 AND coalesce(ended, ?3) > max(started, ?1)";

/// The file, opened for reading; a writer may be active at the same time.
pub struct History {
    path: PathBuf,
    db: Connection,
}

impl History {
    /// Opens an existing file for reading.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        if !path.exists() {
            return Err(StoreError::Missing(path.to_owned()));
        }
        if path.is_dir() {
            return Err(StoreError::Folder(path.to_owned()));
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let failed = |error: rusqlite::Error| StoreError::of(path, &error);
        let db = Connection::open_with_flags(path, flags).map_err(failed)?;
        db.busy_timeout(BUSY).map_err(failed)?;
        if !is_ours(path, &db)? {
            return Err(StoreError::Foreign(path.to_owned()));
        }
        Ok(Self { path: path.to_owned(), db })
    }

    /// Returns the watched periods, in order.
    pub fn watched(&self) -> Result<Vec<Watched>, StoreError> {
        rows(&self.path, &self.db, "SELECT started, ended FROM watched ORDER BY started, id", [], |row| {
            Ok(Watched { from: time(row.get("started")?)?, until: time(row.get("ended")?)? })
        })
    }

    /// Returns the periods of instances that overlap the interval, in order and not clipped. An open period ends at the
    /// last observation.
    pub fn spans(&self, from: Timestamp, until: Timestamp) -> Result<Vec<Span>, StoreError> {
        let last = self.last()?;
        let sql = format!("{SPANS} WHERE {BETWEEN} ORDER BY started, spans.id");
        rows(&self.path, &self.db, &sql, params![from.as_millisecond(), until.as_millisecond(), last], |row| {
            let Lived { owner, cluster, cluster_uid, instance, kind, state, paused, by, size } = lived(row)?;
            let (from, until) = times(row, last)?;
            let instance_uid = row.get("uid")?;
            Ok(Span { owner, cluster, cluster_uid, instance, instance_uid, kind, state, paused, by, size, from, until })
        })
    }

    /// Reports whether anything is recorded of a user: a quota, a charge or an instance, at any time.
    pub fn knows(&self, user: &UserName) -> Result<bool, StoreError> {
        let sql =
            "SELECT EXISTS (SELECT 1 FROM quotas WHERE owner = ?1) OR EXISTS (SELECT 1 FROM charges WHERE owner = ?1)
            OR EXISTS (SELECT 1 FROM clusters WHERE owner = ?1)";
        let known = self.db.query_row(sql, [user.as_str()], |row| row.get(0));
        known.map_err(|error| StoreError::of(&self.path, &error))
    }

    /// Reports whether a cluster of this name is recorded at any time, of one user or of anybody.
    pub fn knows_cluster(&self, cluster: &ClusterName, owner: Option<&UserName>) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM clusters WHERE name = ?1 AND (?2 IS NULL OR owner = ?2))";
        let of = params![cluster.as_str(), owner.map(UserName::as_str)];
        self.db.query_row(sql, of, |row| row.get(0)).map_err(|error| StoreError::of(&self.path, &error))
    }

    /// Returns the charges of clusters that overlap the interval, in order.
    pub fn charges(&self, from: Timestamp, until: Timestamp) -> Result<Vec<Charged>, StoreError> {
        let last = self.last()?;
        let sql = &format!("SELECT * FROM charges WHERE {BETWEEN} ORDER BY started, id");
        rows(&self.path, &self.db, sql, params![from.as_millisecond(), until.as_millisecond(), last], |row| {
            let (from, until) = times(row, last)?;
            let (owner, cluster) = (row.get("owner")?, row.get("cluster")?);
            Ok(Charged { owner, cluster, amounts: amounts(row, "amounts")?, from, until })
        })
    }

    /// Returns the quotas of users that overlap the interval, in order.
    pub fn quotas(&self, from: Timestamp, until: Timestamp) -> Result<Vec<Allowed>, StoreError> {
        let last = self.last()?;
        let sql = &format!("SELECT * FROM quotas WHERE {BETWEEN} ORDER BY started, id");
        rows(&self.path, &self.db, sql, params![from.as_millisecond(), until.as_millisecond(), last], |row| {
            let (from, until) = times(row, last)?;
            Ok(Allowed { owner: row.get("owner")?, amounts: amounts(row, "amounts")?, from, until })
        })
    }

    /// Writes a copy of the current content to a file that must not exist yet.
    pub fn copy_to(&self, path: &Path) -> Result<(), StoreError> {
        let target = path.to_str().ok_or_else(|| StoreError::Other {
            path: path.to_owned(),
            why: "a name that is not UTF-8 cannot be written to".to_owned(),
        })?;
        // SQLite fills an existing empty file, and keeps its mode.
        private::create(path).map_err(|error| StoreError::Other { path: path.to_owned(), why: error.to_string() })?;
        self.db.execute("VACUUM INTO ?1", [target]).map(|_| ()).map_err(|error| StoreError::of(path, &error))
    }

    fn last(&self) -> Result<i64, StoreError> {
        let last: Option<i64> = self
            .db
            .query_row("SELECT max(ended) FROM watched", [], |row| row.get(0))
            .map_err(|error| StoreError::of(&self.path, &error))?;
        Ok(last.unwrap_or(0))
    }
}

fn time(milliseconds: i64) -> Result<Timestamp, rusqlite::Error> {
    Timestamp::from_millisecond(milliseconds).map_err(|error| unreadable(Box::new(error)))
}

fn times(row: &Row<'_>, last: i64) -> Result<(Timestamp, Timestamp), rusqlite::Error> {
    let (started, ended): (i64, Option<i64>) = (row.get("started")?, row.get("ended")?);
    Ok((time(started)?, time(ended.unwrap_or(last))?))
}

#[cfg(test)]
mod tests;
