//! Opening the file: the lock beside it, its settings, its tables, its version. What is created is for its owner only
//! (0600), and so is what SQLite puts beside it; a file that exists keeps its rights.
//!
//! Tables, version 1. A *place* is a partition of a topic; a record's id is its place times 2^43 plus its offset, so
//! that a partition is one range of ids and a new record goes to the range's end.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fs::{File, OpenOptions, TryLockError},
    path::Path,
    time::Duration,
};

use pipeline::LogError;
use rusqlite::{Connection, OpenFlags, TransactionBehavior, params};
use schemas::{Offset, Partition, Topic, TopicPartition};

use super::{
    EmbeddedOptions,
    failure::{damaged, of},
    mirror::{Image, Mirror},
    readers,
};

/// "WEIR": tells our files from others.
const APPLICATION: i32 = 0x5745_4952;
const VERSION: i32 = 1;
const PARTITIONS_MAX: u32 = 1024;
const PAGE_BYTES: u64 = 4096;
const OFFSET_BITS: u32 = 43;
const OFFSETS: i64 = (1 << OFFSET_BITS) - 1;

const TABLES: &str = "
    CREATE TABLE setting (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE place (
        id INTEGER PRIMARY KEY, topic TEXT NOT NULL, number INTEGER NOT NULL, next INTEGER NOT NULL,
        UNIQUE (topic, number)
    );
    CREATE TABLE record (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, key BLOB NOT NULL, value BLOB, headers BLOB);
    CREATE TABLE newest (
        place INTEGER NOT NULL, key BLOB NOT NULL, id INTEGER NOT NULL, gone INTEGER, PRIMARY KEY (place, key)
    ) WITHOUT ROWID;
    CREATE INDEX newest_gone ON newest (place, gone) WHERE gone IS NOT NULL;
    CREATE TABLE position (
        reader TEXT NOT NULL, place INTEGER NOT NULL, next INTEGER NOT NULL, PRIMARY KEY (reader, place)
    ) WITHOUT ROWID;
    CREATE TABLE reads (reader TEXT NOT NULL, topic TEXT NOT NULL, PRIMARY KEY (reader, topic)) WITHOUT ROWID;
";

/// The file, held.
pub(super) struct Held {
    pub(super) connection: Connection,
    pub(super) places: Places,
    pub(super) mirror: Mirror,
    /// Locked as long as it is open.
    pub(super) lock: File,
}

/// The number of every partition in the file.
#[derive(Debug, Default)]
pub(super) struct Places(BTreeMap<TopicPartition, i64>);

impl Places {
    pub(super) fn number(&self, of: TopicPartition) -> Result<i64, LogError> {
        self.0.get(&of).copied().ok_or_else(|| LogError::Missing(of.to_string()))
    }

    /// The id of the record at a place and offset.
    pub(super) fn id(&self, of: TopicPartition, offset: Offset) -> Result<i64, LogError> {
        let offset = i64::try_from(offset.0).ok().filter(|offset| offset >> OFFSET_BITS == 0);
        let offset =
            offset.ok_or_else(|| LogError::Unusable(format!("{of} has had 2^{OFFSET_BITS} records")))?;
        Ok((self.number(of)? << OFFSET_BITS) | offset)
    }

    /// The greatest id a record of that place can have.
    pub(super) fn last_id(&self, of: TopicPartition) -> Result<i64, LogError> {
        Ok((self.number(of)? << OFFSET_BITS) | OFFSETS)
    }
}

/// The offset in a record's id.
pub(super) fn offset_of(id: i64) -> Offset {
    Offset((id & OFFSETS).unsigned_abs())
}

pub(super) fn open(options: &EmbeddedOptions) -> Result<Held, LogError> {
    let wanted = options.partitions;
    if wanted == 0 || wanted > PARTITIONS_MAX {
        return Err(LogError::Unusable(format!(
            "{wanted} partitions were asked for; 1 to {PARTITIONS_MAX} are possible"
        )));
    }
    let lock = lock(&options.path)?;
    create_private(&options.path)?;
    let mut connection = connect(options).map_err(|error| of(&error))?;
    settle(&connection)?;
    create(&mut connection, wanted)?;
    let (places, mirror) = load(&connection)?;
    Ok(Held { connection, places, mirror, lock })
}

/// Reads what a log file says, without its lock and without creating anything.
pub(super) fn look(path: &Path) -> Result<(Places, Mirror), LogError> {
    let shown = path.display();
    if !path.exists() {
        return Err(LogError::Unusable(format!("{shown}: there is no log yet")));
    }
    let connection = readers::connect(path).map_err(|error| of(&error))?;
    if number(&connection, "application_id")? != APPLICATION {
        return Err(LogError::Unusable(format!("{shown} is no log of Weir")));
    }
    let version = number(&connection, "user_version")?;
    if version > VERSION {
        return Err(newer(version));
    }
    load(&connection)
}

fn newer(version: i32) -> LogError {
    LogError::Unusable(format!("the log file is of version {version}, this Weir knows up to {VERSION}"))
}

/// Takes the lock beside the file. The lock file stays: deleting it would let two processes lock two files.
fn lock(path: &Path) -> Result<File, LogError> {
    let mut name = OsString::from(path);
    name.push(".lock");
    let shown = path.display();
    let file = private().open(&name);
    let file = file.map_err(|error| LogError::Unusable(format!("{shown}: cannot open its lock: {error}")))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(LogError::Unusable(format!("{shown} is held by another process")))
        }
        Err(TryLockError::Error(error)) => {
            Err(LogError::Unusable(format!("{shown}: cannot be locked: {error}")))
        }
    }
}

fn private() -> OpenOptions {
    let mut options = File::options();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// SQLite would create the file with the rights that the umask leaves to others. One that exists is not opened here:
/// closing it again would take SQLite's locks in this process away (<https://sqlite.org/howtocorrupt.html>, 2.2).
fn create_private(path: &Path) -> Result<(), LogError> {
    if path.exists() {
        return Ok(());
    }
    let created = private().open(path).map(drop);
    created.map_err(|error| LogError::Unusable(format!("{}: cannot be created: {error}", path.display())))
}

fn connect(options: &EmbeddedOptions) -> Result<Connection, rusqlite::Error> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(&options.path, flags)?;
    // Somebody else's reader may hold the file for a moment while the write-ahead log is taken over.
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.set_prepared_statement_cache_capacity(64);
    if let Some(bytes) = options.bytes_max {
        let pages = i64::try_from(bytes / PAGE_BYTES).unwrap_or(i64::MAX).clamp(1, i64::from(u32::MAX - 1));
        connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
    }
    Ok(connection)
}

/// Settings of the connection, and those that make a commit last.
fn settle(connection: &Connection) -> Result<(), LogError> {
    let text = |name: &str, value: &str| {
        connection
            .pragma_update_and_check(None, name, value, |row| row.get::<_, String>(0))
            .map_err(|error| of(&error))
    };
    let mode = text("journal_mode", "WAL")?;
    if !mode.eq_ignore_ascii_case("wal") {
        return Err(LogError::Unusable("the log file's folder does not allow a write-ahead log".to_owned()));
    }
    let settings = "PRAGMA synchronous = FULL; PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY;
        PRAGMA cache_size = -16384;";
    connection.execute_batch(settings).map_err(|error| of(&error))
}

fn number(connection: &Connection, pragma: &str) -> Result<i32, LogError> {
    connection.pragma_query_value(None, pragma, |row| row.get(0)).map_err(|error| of(&error))
}

/// Creates the tables in an empty file; in ours, adds the topics that came with a newer Weir.
fn create(connection: &mut Connection, wanted: u32) -> Result<(), LogError> {
    let (application, version) = (number(connection, "application_id")?, number(connection, "user_version")?);
    let tables = "SELECT count(*) FROM sqlite_schema";
    let tables: i64 = connection.query_row(tables, [], |row| row.get(0)).map_err(|error| of(&error))?;
    let is_new = application == 0 && version == 0 && tables == 0;
    if !is_new && application != APPLICATION {
        return Err(LogError::Unusable("the file is a database, but not a log of Weir".to_owned()));
    }
    if version > VERSION {
        return Err(newer(version));
    }
    let made = connection.transaction_with_behavior(TransactionBehavior::Immediate).and_then(|transaction| {
        if is_new {
            transaction.execute_batch(TABLES)?;
            transaction
                .execute("INSERT INTO setting (name, value) VALUES ('partitions', ?1)", params![wanted])?;
            transaction.pragma_update(None, "application_id", APPLICATION)?;
            transaction.pragma_update(None, "user_version", VERSION)?;
        }
        let partitions = "SELECT value FROM setting WHERE name = 'partitions'";
        let partitions: u32 = transaction.query_row(partitions, [], |row| row.get(0))?;
        if partitions == wanted {
            add_places(&transaction, wanted)?;
        }
        transaction.commit()?;
        Ok(partitions)
    });
    let partitions = made.map_err(|error| of(&error))?;
    if partitions != wanted {
        let other = format!(
            "the log file has {partitions} partitions a topic, {wanted} were asked for; that is settled"
        );
        return Err(LogError::Unusable(other));
    }
    Ok(())
}

fn add_places(connection: &Connection, wanted: u32) -> Result<(), rusqlite::Error> {
    let mut add =
        connection.prepare("INSERT OR IGNORE INTO place (topic, number, next) VALUES (?1, ?2, 0)")?;
    for topic in Topic::all() {
        for number in 0..wanted {
            add.execute(params![topic.to_string(), number])?;
        }
    }
    Ok(())
}

/// Reads what the mirror shows. Topics that this Weir does not know are left alone.
fn load(connection: &Connection) -> Result<(Places, Mirror), LogError> {
    let mut places = Places::default();
    let mut image = Image::default();
    let mut by_number = BTreeMap::new();
    for (id, topic, number, next) in rows(connection, "SELECT id, topic, number, next FROM place")? {
        let Some(topic) = Topic::named(&topic) else { continue };
        let number = u32::try_from(number).map_err(|_| damaged("a partition's number"))?;
        let at = TopicPartition::new(topic, Partition(number));
        if !(0..1 << 20).contains(&id) {
            return Err(damaged("a partition's place"));
        }
        places.0.insert(at, id);
        by_number.insert(id, at);
        image.ends.insert(at, offset(next)?);
    }
    for (place, reader, next, _) in rows(connection, "SELECT place, reader, next, 0 FROM position")? {
        if let Some(at) = by_number.get(&place) {
            image.positions.entry(reader).or_default().insert(*at, offset(next)?);
        }
    }
    let mut reads = connection.prepare("SELECT reader, topic FROM reads").map_err(|error| of(&error))?;
    let reads = reads.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)));
    for read in reads.map_err(|error| of(&error))? {
        let (reader, topic) = read.map_err(|error| of(&error))?;
        let topics: &mut BTreeSet<Topic> = image.groups.entry(reader).or_default();
        topics.extend(Topic::named(&topic));
    }
    Ok((places, Mirror::new(image)))
}

type Row = (i64, String, i64, i64);

fn rows(connection: &Connection, sql: &str) -> Result<Vec<Row>, LogError> {
    let read = || -> Result<Vec<Row>, rusqlite::Error> {
        let mut statement = connection.prepare(sql)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
        rows.collect()
    };
    read().map_err(|error| of(&error))
}

fn offset(value: i64) -> Result<Offset, LogError> {
    u64::try_from(value).map(Offset).map_err(|_| damaged("an offset"))
}
